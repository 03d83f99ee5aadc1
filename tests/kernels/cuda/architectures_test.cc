// The plug-in holds code for exactly the architectures that it was configured for
// (NASENGINE_CUDA_ARCHITECTURES), in each of its sources: a card that one of them left out would
// find its kernels missing only when they are launched.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "kernels/core/error.h"
#include "tests/kernels/cuda/fat_binary.h"
#include "tests/support/temp_dir.h"

namespace nasengine::cuda {
namespace {

constexpr const char* kConfigured = NASENGINE_CUDA_ARCHITECTURES;

TEST(CudaArchitecturesTest, ListsAreReadAsCMakeReadsThem) {
  using Names = std::set<std::string>;
  EXPECT_EQ(ConfiguredArchitectures("90a-real,80-virtual"), (Names{"sm_90a", "compute_80"}));
  EXPECT_EQ(ConfiguredArchitectures("75"), (Names{"sm_75", "compute_75"}));
  EXPECT_EQ(ConfiguredArchitectures("native"), Names{});
}

TEST(CudaArchitecturesTest, FilesWithoutDeviceCodeAreRefused) {
  const TempDir folder;
  const auto refusal = [](const std::string& file) {
    try {
      ReadFatBinary(file);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("not refused");
  };
  const std::string text = folder / "text.so";
  std::ofstream(text) << std::string(100, '?');
  EXPECT_EQ(refusal(text), text + ": is no ELF file");
  const std::string part = folder / "part.so";
  std::ofstream(part) << "\x7f"
                         "ELF";
  EXPECT_EQ(refusal(part), part + ": ends at byte 4, expected 64 bytes at 0");
  EXPECT_EQ(refusal("/proc/self/exe"), "/proc/self/exe: has no section .nv_fatbin");
}

TEST(CudaArchitecturesTest, EverySourceHasAllThatAreConfigured) {
  const std::set<std::string> expected = ConfiguredArchitectures(kConfigured);
  if (expected.empty()) GTEST_SKIP() << kConfigured << " depends on the toolkit or the machine";
  const std::vector<FatContainer> containers = ReadFatBinary(NASENGINE_CUDA_PLUGIN_FILE);
  EXPECT_FALSE(containers.empty());
  for (std::size_t i = 0; i < containers.size(); ++i) {
    std::set<std::string> held;
    for (const FatEntry& entry : containers[i]) held.insert(entry.architecture);
    EXPECT_EQ(held, expected) << "in container " << i << " of " << containers.size();
  }
}

}  // namespace
}  // namespace nasengine::cuda
