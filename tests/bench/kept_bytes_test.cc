// The byte model by hand on a space of two blocks, and against plans of real spaces.
// SPDX-License-Identifier: MIT
#include "bench/kept_bytes.h"

#include <gtest/gtest.h>

#include "kernels/register/register_kernels.h"
#include "nas/supernet/memory_plan.h"
#include "tests/support/tiny_space.h"

namespace nasengine {
namespace {

constexpr std::int64_t kBatch = 8;

// Images 8x8x2; stem 8x8x4; block1 8x8x4 -> 4x4x8; block2 4x4x8 -> 4x4x8, which may be skipped;
// classifier of 3.
class KeptBytesTest : public ::testing::Test {
 protected:
  const SearchSpace space_ = TinySpace();
  // A batch norm's input, then two numbers a channel.
  static constexpr std::int64_t kStem = kBatch * 64 * 4 + 2 * 4;
  static constexpr std::int64_t kStemOutput = kBatch * 64 * 4;
  // Expanded threefold to 12 channels, twice at 8x8 and twice at 4x4, then 8 channels once.
  static constexpr std::int64_t kBlock1 =
      kBatch * (2 * 64 * 12 + 2 * 16 * 12 + 16 * 8) + 2 * (12 + 12 + 8);
  static constexpr std::int64_t kBlock1Output = kBatch * 16 * 8;
  static constexpr std::int64_t kBlock2 = kBatch * (4 * 16 * 24 + 16 * 8) + 2 * (24 + 24 + 8);
  // Pooled features and the gradient of the logits; pooling does not read block2's output.
  static constexpr std::int64_t kClassifier = kBatch * (8 + 3);
};

TEST_F(KeptBytesTest, CountsWhatAPathsBackwardReads) {
  EXPECT_EQ(KeptBytes(space_, std::vector{0, 0}, kBatch),
            4 * (kStem + kStemOutput + kBlock1 + kBlock1Output + kBlock2 + kClassifier));
}

TEST_F(KeptBytesTest, ASkippedBlockKeepsNothing) {
  // Nor is block1's output kept, which nothing but pooling reads then.
  EXPECT_EQ(KeptBytes(space_, std::vector{0, 2}, kBatch),
            4 * (kStem + kStemOutput + kBlock1 + kClassifier));
}

TEST_F(KeptBytesTest, AllPathsShareTheirInput) {
  EXPECT_EQ(KeptBytesOfAllPaths(space_, kBatch),
            4 * (kStem + kStemOutput + 2 * kBlock1 + kBlock1Output + 2 * kBlock2 + kClassifier));
}

TEST_F(KeptBytesTest, ABlockThatDoesNotExpandKeepsLess) {
  const SearchSpace space = TinySpace({.candidates = {"3x3_MBConv1", "3x3_MBConv3"}});
  constexpr std::int64_t kUnexpanded1 = kBatch * (2 * 16 * 4 + 16 * 8) + 2 * (4 + 8);
  EXPECT_EQ(KeptBytes(space, std::vector{0, 2}, kBatch),
            4 * (kStem + kStemOutput + kUnexpanded1 + kClassifier));
}

TEST_F(KeptBytesTest, TheKernelsSizeAddsNothing) {
  for (const std::string name : {"fashion", "proxyless-imagenet"}) {
    const SearchSpace space = LoadSpace(name);
    const std::vector<int> path = MostKeepingPath(space);
    EXPECT_EQ(path, ChoiceFromNames(space, std::vector<std::string>(path.size(), "3x3_MBConv6")));
    EXPECT_EQ(KeptBytes(space, path, kBatch), KeptBytes(space, LargestPath(space), kBatch));
  }
}

// Neither side of a comparison keeps a twentieth more than its backward pass reads.
TEST_F(KeptBytesTest, PlansAgreeWithTheModel) {
  const KernelRegistry registry = MakeCpuRegistry();
  for (const std::string name : {"fashion", "proxyless-imagenet"}) {
    SCOPED_TRACE(name);
    const SearchSpace space = LoadSpace(name);
    const std::vector<int> path = MostKeepingPath(space);
    const auto planned = [&](PlannedStep step) {
      return static_cast<double>(
          PlanStep(space, path, registry, {.batch = kBatch, .step = step}).activations);
    };
    const auto one = static_cast<double>(KeptBytes(space, path, kBatch));
    EXPECT_NEAR(planned(PlannedStep::kWeights), one, 0.05 * one);
    const auto all = static_cast<double>(KeptBytesOfAllPaths(space, kBatch));
    EXPECT_NEAR(planned(PlannedStep::kAllPaths), all, 0.05 * all);
  }
}

}  // namespace
}  // namespace nasengine
