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
  // Expanded threefold to 12 channels, at 8x8 and at 4x4, then 8 channels.
  static constexpr std::int64_t kBlock1 = kBatch * (64 * 12 + 16 * 12 + 16 * 8) + 2 * (12 + 12 + 8);
  static constexpr std::int64_t kBlock1Output = kBatch * 16 * 8;
  static constexpr std::int64_t kBlock2 = kBatch * (2 * 16 * 24 + 16 * 8) + 2 * (24 + 24 + 8);
  // Pooled features and the gradient of the logits; pooling does not read block2's output.
  static constexpr std::int64_t kClassifier = kBatch * (8 + 3);
};

TEST_F(KeptBytesTest, CountsWhatAPathsBackwardReads) {
  EXPECT_EQ(KeptBytes(space_, PlannedStep::kWeights, std::vector{0, 0}, kBatch),
            4 * (kStem + kStemOutput + kBlock1 + kBlock1Output + kBlock2 + kClassifier));
}

// Statistics and the logits' gradient stay f32, and the stem reads a copy of the images.
TEST_F(KeptBytesTest, Bf16KeepsHalfOfTheActivations) {
  constexpr std::int64_t kImages = kBatch * 64 * 2;
  constexpr std::int64_t kWide = 2 * 4 + 2 * (12 + 12 + 8) + 2 * (24 + 24 + 8) + kBatch * 3;
  const std::vector<int> path{0, 0};
  const std::int64_t f32 = KeptBytes(space_, PlannedStep::kWeights, path, kBatch);
  EXPECT_EQ(KeptBytes(space_, PlannedStep::kWeights, path, kBatch, DType::kBf16),
            f32 / 2 + 2 * kWide + 2 * kImages);
}

TEST_F(KeptBytesTest, ASkippedBlockKeepsNothing) {
  // Nor is block1's output kept, which nothing but pooling reads then.
  EXPECT_EQ(KeptBytes(space_, PlannedStep::kWeights, std::vector{0, 2}, kBatch),
            4 * (kStem + kStemOutput + kBlock1 + kClassifier));
}

TEST_F(KeptBytesTest, AllPathsShareTheirInput) {
  EXPECT_EQ(KeptBytes(space_, PlannedStep::kAllPaths, {}, kBatch),
            4 * (kStem + kStemOutput + 2 * kBlock1 + kBlock1Output + 2 * kBlock2 + kClassifier));
}

TEST_F(KeptBytesTest, ABlockThatDoesNotExpandKeepsLess) {
  const SearchSpace space = TinySpace({.candidates = {"3x3_MBConv1", "3x3_MBConv3"}});
  constexpr std::int64_t kUnexpanded1 = 2 * (4 + 8);  // statistics; the rest is computed again
  EXPECT_EQ(KeptBytes(space, PlannedStep::kWeights, std::vector{0, 2}, kBatch),
            4 * (kStem + kStemOutput + kUnexpanded1 + kClassifier));
}

TEST_F(KeptBytesTest, TheKernelsSizeAddsNothing) {
  for (const std::string name : {"fashion", "proxyless-imagenet"}) {
    const SearchSpace space = LoadSpace(name);
    const std::vector<int> path = MostKeepingPath(space);
    EXPECT_EQ(path, ChoiceFromNames(space, std::vector<std::string>(path.size(), "3x3_MBConv6")));
    EXPECT_EQ(KeptBytes(space, PlannedStep::kWeights, path, kBatch),
              KeptBytes(space, PlannedStep::kWeights, LargestPath(space), kBatch));
  }
}

TEST_F(KeptBytesTest, AnArchitectureStepKeepsNoInputsOfConvolutions) {
  // Of block1, the first gate, only input and output; block2 adds its output to what its batch
  // norms read, and keeps its input.
  constexpr std::int64_t kGated1 = kStemOutput + kBlock1Output;
  constexpr std::int64_t kGated2 =
      kBlock1Output + kBatch * (2 * 16 * 24 + 2 * 16 * 8) + 2 * (24 + 24 + 8);
  constexpr std::int64_t kLogits = kBatch * 3;
  EXPECT_EQ(KeptBytes(space_, PlannedStep::kArchitecture, std::vector{0, 0}, kBatch),
            4 * (kGated1 + kGated2 + kLogits));
  EXPECT_EQ(KeptBytes(space_, PlannedStep::kArchitecture, std::vector{0, 2}, kBatch),
            4 * (kGated1 + kLogits));
}

TEST_F(KeptBytesTest, AnArchitectureStepOfAllPathsKeepsNoBlocksInput) {
  constexpr std::int64_t kGated2 = kBatch * (2 * 16 * 24 + 2 * 16 * 8) + 2 * (24 + 24 + 8);
  EXPECT_EQ(KeptBytes(space_, PlannedStep::kAllPathsArchitecture, {}, kBatch),
            4 * (2 * kBlock1Output + 2 * kGated2 + kBatch * 3));
  EXPECT_THROW(KeptBytes(space_, PlannedStep::kEvaluation, std::vector{0, 0}, kBatch), Error);
}

// Neither side of a comparison keeps a twentieth more than its backward pass reads.
TEST_F(KeptBytesTest, PlansAgreeWithTheModel) {
  const KernelRegistry registry = MakeCpuRegistry();
  for (const std::string name : {"fashion", "proxyless-imagenet"}) {
    const SearchSpace space = LoadSpace(name);
    const std::vector<int> path = MostKeepingPath(space);
    for (const PlannedStep step :
         {PlannedStep::kWeights, PlannedStep::kAllPaths, PlannedStep::kAllPathsArchitecture}) {
      for (const DType dtype : {DType::kF32, DType::kBf16}) {
        const auto model = static_cast<double>(KeptBytes(space, step, path, kBatch, dtype));
        const PlanOptions options{.batch = kBatch, .dtype = dtype, .step = step};
        const auto planned =
            static_cast<double>(PlanStep(space, path, registry, options).activations);
        EXPECT_NEAR(planned, model, 0.05 * model)
            << name << ", step " << static_cast<int>(step) << " in " << Name(dtype);
      }
    }
  }
}

}  // namespace
}  // namespace nasengine
