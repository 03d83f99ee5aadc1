// What each compiled kernel takes of a multiprocessor, on every architecture that the plug-in is
// built for: no spills, no local memory, and as many resident warps as is stated.
//
// tests/fixtures/cuda/occupancy.csv states, by a kernel's name without template arguments, the
// threads of a block, its dynamic shared memory at most, and the warps that must fit at least.
// tests/fixtures/cuda/kernel_resources.csv has the figures of every instance; with
// NASENGINE_WRITE_TABLES=1 the test writes it anew.
// SPDX-License-Identifier: MIT
#include <cuda_occupancy.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "tests/kernels/cuda/kernel_name.h"

namespace nasengine::cuda {
namespace {

namespace fs = std::filesystem;

struct Resources {
  int registers = 0;
  int shared_bytes = 0;  // static
  int stack_bytes = 0;
  int spill_bytes = 0;
};

struct Stated {
  int threads = 0;
  int dynamic_shared_bytes = 0;
  int least_warps = 0;
};

using Key = std::pair<std::string, std::string>;  // kernel, architecture
using Figures = std::map<Key, Resources>;

// Registers may differ by this much between builds without anybody having to look. nvcc does not
// give one source the same registers twice: of 1112 figures some ten differ from one build to the
// next, with nvcc 13.0 by up to ten in five builds, and every new build draws anew.
constexpr int kRegisterAllowance = 16;
constexpr int kWarpThreads = 32;

std::string BaseName(const std::string& kernel) { return kernel.substr(0, kernel.find('<')); }

int NumberBefore(const std::string& line, const std::string& words) {
  std::smatch found;
  return std::regex_search(line, found, std::regex("([0-9]+) " + words)) ? std::stoi(found[1]) : 0;
}

// What `nvcc --resource-usage` said of the plug-in's objects (kernels/cmake/keep_resource_usage).
Figures ReadCompiled() {
  Figures figures;
  for (const auto& entry : fs::recursive_directory_iterator(NASENGINE_CUDA_OBJECTS)) {
    if (entry.path().extension() != ".resources") continue;
    std::ifstream file(entry.path());
    Key current;
    for (std::string line; std::getline(file, line);) {
      std::smatch found;
      if (std::regex_search(line, found,
                            std::regex("entry function '([^']+)' for '(sm_[0-9a-z]+)'"))) {
        current = {ShortName(found[1]), found[2]};
        figures[current] = {};
      } else if (current.first.empty()) {
        continue;
      } else if (line.find("stack frame") != std::string::npos) {
        figures[current].stack_bytes = NumberBefore(line, "bytes stack frame");
        figures[current].spill_bytes =
            NumberBefore(line, "bytes spill stores") + NumberBefore(line, "bytes spill loads");
      } else if (line.find("Used ") != std::string::npos) {
        figures[current].registers = NumberBefore(line, "registers");
        figures[current].shared_bytes = NumberBefore(line, "bytes smem");
      }
    }
  }
  return figures;
}

std::vector<std::string> Cells(const std::string& line) {
  // Commas inside template arguments are not separators.
  std::vector<std::string> cells(1);
  int depth = 0;
  for (const char c : line) {
    if (c == '<') ++depth;
    if (c == '>') --depth;
    if (c == ',' && depth == 0) {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  return cells;
}

std::map<std::string, Stated> ReadStated() {
  std::map<std::string, Stated> stated;
  std::ifstream file(NASENGINE_FIXTURES "/cuda/occupancy.csv");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> cells = Cells(line);
    stated[cells.at(0)] = {std::stoi(cells.at(1)), std::stoi(cells.at(2)), std::stoi(cells.at(3))};
  }
  return stated;
}

struct Multiprocessor {
  int major = 0;
  int minor = 0;
  int threads = 0;
  int shared_bytes = 0;
  int shared_bytes_per_block = 0;
};

// [CUDA C++ Programming Guide, technical specifications per compute capability]
Multiprocessor MultiprocessorOf(const std::string& architecture) {
  constexpr int kKiB = 1024;
  const int number = std::stoi(architecture.substr(3));
  switch (number) {
    case 80:
      return {8, 0, 2048, 164 * kKiB, 163 * kKiB};
    case 90:
      return {9, 0, 2048, 228 * kKiB, 227 * kKiB};
    case 100:
      return {10, 0, 2048, 228 * kKiB, 227 * kKiB};
    case 120:
      return {12, 0, 1536, 100 * kKiB, 99 * kKiB};
    default:
      break;
  }
  ADD_FAILURE() << "no figures of a multiprocessor of " << architecture;
  return {};
}

int ResidentWarps(const std::string& architecture, const Resources& used, const Stated& stated) {
  const Multiprocessor sm = MultiprocessorOf(architecture);
  cudaOccDeviceProp device;
  device.computeMajor = sm.major;
  device.computeMinor = sm.minor;
  device.maxThreadsPerBlock = 1024;
  device.maxThreadsPerMultiprocessor = sm.threads;
  device.regsPerBlock = 65536;
  device.regsPerMultiprocessor = 65536;
  device.warpSize = kWarpThreads;
  device.sharedMemPerBlock = 48 * 1024;
  device.sharedMemPerMultiprocessor = static_cast<std::size_t>(sm.shared_bytes);
  device.numSms = 1;
  device.sharedMemPerBlockOptin = static_cast<std::size_t>(sm.shared_bytes_per_block);
  device.reservedSharedMemPerBlock = 1024;
  cudaOccFuncAttributes kernel;
  kernel.maxThreadsPerBlock = 1024;
  kernel.numRegs = used.registers;
  kernel.sharedSizeBytes = static_cast<std::size_t>(used.shared_bytes);
  kernel.partitionedGCConfig = PARTITIONED_GC_OFF;
  kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
  kernel.maxDynamicSharedSizeBytes = static_cast<std::size_t>(sm.shared_bytes_per_block);
  kernel.numBlockBarriers = 1;
  const cudaOccDeviceState state;
  cudaOccResult result;
  const cudaOccError error = cudaOccMaxActiveBlocksPerMultiprocessor(
      &result, &device, &kernel, &state, stated.threads,
      static_cast<std::size_t>(stated.dynamic_shared_bytes));
  EXPECT_EQ(error, CUDA_OCC_SUCCESS);
  const int warps = (stated.threads + kWarpThreads - 1) / kWarpThreads;
  return result.activeBlocksPerMultiprocessor * warps;
}

constexpr const char* kTable = NASENGINE_FIXTURES "/cuda/kernel_resources.csv";

std::string Heading() {
  return "# nvcc " NASENGINE_NVCC_VERSION
         "; written by kernel_resources_test with NASENGINE_WRITE_TABLES=1\n"
         "# kernel,architecture,registers,static shared bytes,resident warps\n";
}

std::string Row(const Key& key, const Resources& used, int warps) {
  std::ostringstream row;
  row << key.first << ',' << key.second << ',' << used.registers << ',' << used.shared_bytes << ','
      << warps << '\n';
  return row.str();
}

class KernelResourcesTest : public ::testing::Test {
 protected:
  const Figures compiled_ = ReadCompiled();
  const std::map<std::string, Stated> stated_ = ReadStated();
};

TEST_F(KernelResourcesTest, NothingSpills) {
  ASSERT_FALSE(compiled_.empty()) << NASENGINE_CUDA_OBJECTS;
  for (const auto& [key, used] : compiled_) {
    EXPECT_EQ(used.stack_bytes, 0) << key.first << " " << key.second;
    EXPECT_EQ(used.spill_bytes, 0) << key.first << " " << key.second;
  }
}

TEST_F(KernelResourcesTest, EveryKernelHasItsStatedOccupancy) {
  for (const auto& [key, used] : compiled_) {
    const auto found = stated_.find(BaseName(key.first));
    if (found == stated_.end()) {
      ADD_FAILURE() << BaseName(key.first) << ": not in tests/fixtures/cuda/occupancy.csv";
      continue;
    }
    EXPECT_GE(ResidentWarps(key.second, used, found->second), found->second.least_warps)
        << key.first << " " << key.second << " with " << used.registers << " registers";
  }
}

TEST_F(KernelResourcesTest, FiguresAreThoseOfTheTable) {
  std::string now = Heading();
  for (const auto& [key, used] : compiled_) {
    const auto found = stated_.find(BaseName(key.first));
    now +=
        Row(key, used, found == stated_.end() ? 0 : ResidentWarps(key.second, used, found->second));
  }
  if (std::getenv("NASENGINE_WRITE_TABLES") != nullptr) {
    std::ofstream(kTable) << now;
    GTEST_SKIP() << kTable << " was written";
  }
  std::ifstream file(kTable);
  std::string line;
  std::getline(file, line);
  if (line + "\n" != now.substr(0, now.find('\n') + 1)) {
    GTEST_SKIP() << "the table is of another compiler: " << line;
  }
  Figures table;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> cells = Cells(line);
    table[{cells.at(0), cells.at(1)}] = {.registers = std::stoi(cells.at(2)),
                                         .shared_bytes = std::stoi(cells.at(3))};
  }
  for (const auto& [key, used] : compiled_) {
    const auto found = table.find(key);
    if (found == table.end()) {
      ADD_FAILURE() << key.first << " " << key.second << ": not in the table; write it anew";
      continue;
    }
    EXPECT_NEAR(used.registers, found->second.registers, kRegisterAllowance)
        << key.first << " " << key.second;
    EXPECT_EQ(used.shared_bytes, found->second.shared_bytes) << key.first << " " << key.second;
  }
}

}  // namespace
}  // namespace nasengine::cuda
