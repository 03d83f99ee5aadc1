// SPDX-License-Identifier: MIT
#include "nas/config/machine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

constexpr std::int64_t kGibibyte = std::int64_t{1} << 30;

// A machine made of files.
class FakeRoot {
 public:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = folder_.path() / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string path() const { return folder_.path().string(); }

 private:
  TempDir folder_;
};

TEST(MachineTest, TakesTheMemoryThatTheSystemCallsAvailable) {
  FakeRoot root;
  root.Write("proc/meminfo", "MemTotal: 9437184 kB\nMemAvailable:    2097152 kB\n");
  EXPECT_EQ(AvailableMemoryBytes(root.path()), 2 * kGibibyte);
  EXPECT_EQ(DefaultMemoryBudget(root.path()),
            static_cast<std::int64_t>(kMemoryBudgetShare * 2 * kGibibyte));
}

TEST(MachineTest, TakesTheSmallestLimitOfAVersion2GroupAndThoseAboveIt) {
  FakeRoot root;
  root.Write("proc/meminfo", "MemAvailable: 8388608 kB\n");
  root.Write("proc/self/cgroup", "0::/outer/inner\n");
  root.Write("sys/fs/cgroup/outer/memory.max", "1073741824\n");
  root.Write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  EXPECT_EQ(AvailableMemoryBytes(root.path()), kGibibyte);
  // A container that sees its own group as the top of the tree.
  root.Write("sys/fs/cgroup/memory.max", "536870912\n");
  EXPECT_EQ(AvailableMemoryBytes(root.path()), kGibibyte / 2);
}

TEST(MachineTest, TakesTheLimitOfAVersion1Group) {
  FakeRoot root;
  root.Write("proc/meminfo", "MemAvailable: 8388608 kB\n");
  root.Write("proc/self/cgroup", "5:cpu,cpuacct:/jobs\n4:memory:/jobs/a\n0::/\n");
  root.Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.Write("sys/fs/cgroup/memory/jobs/a/memory.limit_in_bytes", "1073741824\n");
  EXPECT_EQ(AvailableMemoryBytes(root.path()), kGibibyte);
}

TEST(MachineTest, CannotTellWithoutFiles) {
  FakeRoot root;
  EXPECT_EQ(AvailableMemoryBytes(root.path()), 0);
}

TEST(MachineTest, RoundsAQuotaOfCoresUp) {
  const int cores = AvailableThreads(FakeRoot().path());
  EXPECT_GE(cores, 1);
  FakeRoot root;
  root.Write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(AvailableThreads(root.path()), 1);
  root.Write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(AvailableThreads(root.path()), cores);
}

}  // namespace
}  // namespace nasengine
