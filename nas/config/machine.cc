// Limits from /proc and from cgroups of either version.
// SPDX-License-Identifier: MIT
#include "nas/config/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <vector>

namespace nasengine {
namespace {

namespace fs = std::filesystem;

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

// The first `count` numbers of a file; nothing where it is missing or says "max".
std::optional<std::vector<double>> ReadNumbers(const fs::path& path, std::size_t count) {
  std::ifstream file(path);
  std::vector<double> numbers(count);
  for (double& number : numbers) {
    if (!(file >> number)) return std::nullopt;
  }
  return numbers;
}

// The group of this process under `controller`, "" for version 2; "/" where none is named.
fs::path GroupOf(const fs::path& root, const std::string& controller) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string id, controllers, path;
    std::getline(fields, id, ':');
    std::getline(fields, controllers, ':');
    std::getline(fields, path);
    if (controller.empty()
            ? controllers.empty()
            : ("," + controllers + ",").find("," + controller + ",") != std::string::npos) {
      return path.empty() ? "/" : path;
    }
  }
  return "/";
}

// The smallest limit of a group and of all above it. A container often sees its own group as the
// top of the tree while /proc names it by its full path: groups that are not there limit nothing.
template <class LimitOf>
double SmallestLimit(const fs::path& mount, const fs::path& group, const LimitOf& limit_of) {
  double smallest = limit_of(mount);
  fs::path folder = mount;
  for (const fs::path& part : group.relative_path()) {
    folder /= part;
    smallest = std::min(smallest, limit_of(folder));
  }
  return smallest;
}

double MemoryAvailable(const fs::path& root) {
  std::ifstream file(root / "proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kKey = "MemAvailable:";
    if (!line.starts_with(kKey)) continue;
    return std::strtod(line.c_str() + kKey.size(), nullptr) * 1024.0;
  }
  return kNoLimit;
}

double CgroupMemory(const fs::path& root) {
  const auto limit_in = [](const char* name) {
    return [name](const fs::path& folder) {
      const auto numbers = ReadNumbers(folder / name, 1);
      return numbers ? (*numbers)[0] : kNoLimit;
    };
  };
  const fs::path mount = root / "sys/fs/cgroup";
  return std::min(
      SmallestLimit(mount, GroupOf(root, ""), limit_in("memory.max")),
      SmallestLimit(mount / "memory", GroupOf(root, "memory"), limit_in("memory.limit_in_bytes")));
}

// In cores.
double CgroupCpu(const fs::path& root) {
  const auto version2 = [](const fs::path& folder) {
    const auto numbers = ReadNumbers(folder / "cpu.max", 2);
    return numbers && (*numbers)[1] > 0 ? (*numbers)[0] / (*numbers)[1] : kNoLimit;
  };
  const auto version1 = [](const fs::path& folder) {
    const auto quota = ReadNumbers(folder / "cpu.cfs_quota_us", 1);
    const auto period = ReadNumbers(folder / "cpu.cfs_period_us", 1);
    const bool limited = quota && period && (*quota)[0] > 0 && (*period)[0] > 0;
    return limited ? (*quota)[0] / (*period)[0] : kNoLimit;
  };
  const fs::path mount = root / "sys/fs/cgroup";
  return std::min(SmallestLimit(mount, GroupOf(root, ""), version2),
                  SmallestLimit(mount / "cpu", GroupOf(root, "cpu"), version1));
}

int AffinityCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // Fails on machines with more cores than the set holds; they are all online then.
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace

int AvailableThreads(const std::string& root) {
  const int cores = std::max(1, AffinityCores());
  const double quota = std::ceil(CgroupCpu(root));
  return quota < cores ? std::max(1, static_cast<int>(quota)) : cores;
}

std::int64_t AvailableMemoryBytes(const std::string& root) {
  const double bytes = std::min(MemoryAvailable(root), CgroupMemory(root));
  return std::isfinite(bytes) ? static_cast<std::int64_t>(bytes) : 0;
}

std::int64_t DefaultMemoryBudget(const std::string& root) {
  const auto available = static_cast<double>(AvailableMemoryBytes(root));
  return static_cast<std::int64_t>(kMemoryBudgetShare * available);
}

}  // namespace nasengine
