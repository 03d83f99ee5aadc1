// How a step is made to fit: in which order, how far, and in which words.
// SPDX-License-Identifier: MIT
#include "nas/cli/memory_budget.h"

#include <gtest/gtest.h>

namespace nasengine {
namespace {

using enum Recompute;

LayerDesc Block(std::int64_t channels) {
  return {.name = "block",
          .op = LayerOp::kMbconv,
          .in = {4, 4, channels},
          .out = {4, 4, channels},
          .kernel = 3,
          .expand = 6};
}

// Two blocks that keep 10 an image each, 6 without their expansions, beside weights of 100.
std::int64_t Peak(const RecomputePolicy& policy, std::int64_t images) {
  std::int64_t bytes = 100;
  for (const Recompute recompute : policy) {
    bytes += images * (recompute == kNothing ? 10 : recompute == kExpand ? 6 : 1);
  }
  return bytes;
}

constexpr std::int64_t kBatch = 12;

class FitIntoBudgetTest : public ::testing::Test {
 protected:
  MemoryFit Fit(std::int64_t budget, std::int64_t micro_batch = 0) const {
    return FitIntoBudget(nodes_, kBatch, {.micro_batch = micro_batch}, budget,
                         [](const ComputeOptions& compute) {
                           const std::int64_t images = compute.micro_batch;
                           return Peak(compute.recompute, images > 0 ? images : kBatch);
                         });
  }

  const std::vector<SpaceNode> nodes_{Block(8), Block(16)};
};

TEST_F(FitIntoBudgetTest, ComputesAgainBeforeItSplits) {
  EXPECT_EQ(Fit(340).compute.recompute, (RecomputePolicy{kNothing, kNothing}));
  EXPECT_EQ(Fit(339).compute.recompute, (RecomputePolicy{kExpand, kNothing}));
  const MemoryFit last = Fit(Peak({kAll, kAll}, kBatch));
  EXPECT_EQ(last.compute.recompute, (RecomputePolicy{kAll, kAll}));
  EXPECT_EQ(last.compute.micro_batch, 0);
}

TEST_F(FitIntoBudgetTest, SplitsIntoTheFewestEqualPartsThatFit) {
  const MemoryFit halves = Fit(Peak({kAll, kAll}, kBatch) - 1);
  EXPECT_EQ(halves.compute.micro_batch, 6);
  EXPECT_LT(halves.peak_bytes, Peak({kAll, kAll}, kBatch));
  // Blocks that are kept again where the parts leave room for it.
  EXPECT_EQ(Fit(Peak({kAll, kAll}, 6)).compute.recompute, (RecomputePolicy{kAll, kAll}));
  EXPECT_EQ(Fit(Peak({kAll, kAll}, 6)).compute.micro_batch, 6);
  EXPECT_EQ(Fit(Peak({kAll, kAll}, 4)).compute.micro_batch, 4);
  EXPECT_EQ(Fit(Peak({kAll, kAll}, 2)).compute.micro_batch, 2);
}

TEST_F(FitIntoBudgetTest, SplitsABatchWithoutDivisorsToo) {
  constexpr std::int64_t kPrime = 13;
  const auto images_within = [&](std::int64_t images) {
    const MemoryFit fit = FitIntoBudget(
        nodes_, kPrime, {}, Peak({kAll, kAll}, images), [&](const ComputeOptions& compute) {
          return Peak(compute.recompute, compute.micro_batch > 0 ? compute.micro_batch : kPrime);
        });
    return fit.compute.micro_batch;
  };
  EXPECT_EQ(images_within(12), 7);  // 6 and 7
  EXPECT_EQ(images_within(7), 7);
  EXPECT_EQ(images_within(6), 5);  // 4, 4 and 5
  EXPECT_EQ(images_within(3), 3);  // no part of one image: 6 parts
  EXPECT_EQ(images_within(2), 0);
}

TEST_F(FitIntoBudgetTest, StartsFromTheMicroBatchOfTheRecipe) {
  const MemoryFit as_asked = Fit(Peak({kNothing, kNothing}, 4), 4);
  EXPECT_EQ(as_asked.compute.micro_batch, 4);
  EXPECT_EQ(as_asked.compute.recompute, (RecomputePolicy{kNothing, kNothing}));
  EXPECT_EQ(Fit(Peak({kAll, kAll}, 4) - 1, 4).compute.micro_batch, 3);
}

TEST_F(FitIntoBudgetTest, LeavesTheBatchWholeWhereNothingFits) {
  const MemoryFit fit = Fit(Peak({kAll, kAll}, 2) - 1);
  EXPECT_EQ(fit.compute.micro_batch, 0);
  EXPECT_EQ(fit.peak_bytes, Peak({kAll, kAll}, kBatch));
}

TEST_F(FitIntoBudgetTest, SaysWhatWasDone) {
  const auto notes = [&](const ComputeOptions& compute, std::int64_t asked = 0) {
    return FitNotes(nodes_, {64, 64, 90}, {.micro_batch = asked}, {.compute = compute});
  };
  const std::string start = "to fit the memory budget, ";
  const std::string again = " blocks are computed again in the backward pass: ";
  using Notes = std::vector<std::string>;
  EXPECT_EQ(notes({}), Notes());
  EXPECT_EQ(notes({.recompute = {kExpand, kNothing}}),
            Notes{start + "1 of 2 blocks is computed again in the backward pass: its expansion"});
  EXPECT_EQ(notes({.recompute = {kExpand, kExpand}}),
            Notes{start + "2 of 2" + again + "their expansions"});
  EXPECT_EQ(notes({.recompute = {kAll, kAll}}), Notes{start + "2 of 2" + again + "all of each"});
  EXPECT_EQ(notes({.recompute = {kAll, kExpand}}),
            Notes{start + "2 of 2" + again + "the expansions of 1, all of 1"});
  EXPECT_EQ(
      notes({.micro_batch = 64}),
      Notes{start + "batches of 90 run as 2 of 45, whose statistics batch norm takes instead"});
  EXPECT_EQ(
      notes({.micro_batch = 32}),
      Notes{start +
            "batches of 64 run as 2 of 32, of 90 as 3 of 30, whose statistics batch norm takes "
            "instead"});
  EXPECT_EQ(notes({.micro_batch = 32}, 32), Notes());
}

}  // namespace
}  // namespace nasengine
