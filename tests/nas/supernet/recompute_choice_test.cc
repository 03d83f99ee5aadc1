// The choice of what is computed again: against every other choice on costs made up for it, against
// the plan on a space, and by the bits of a training.
// SPDX-License-Identifier: MIT
#include "nas/supernet/recompute_choice.h"

#include <gtest/gtest.h>

#include "nas/space/space_file.h"
#include "nas/supernet/memory_plan.h"
#include "nas/supernet/step.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

// A block of 6 x 6 maps; what it keeps of an image: expanded twice (36 * 3 c) and 36 c.
LayerDesc Block(std::int64_t channels, int expand = 3) {
  return {.name = "block",
          .op = LayerOp::kMbconv,
          .in = {6, 6, channels},
          .out = {6, 6, channels},
          .kernel = 3,
          .expand = expand};
}

// Bytes of a policy where each block keeps 10 and frees 4 of them with its expansion.
std::int64_t Bytes(const RecomputePolicy& policy) {
  std::int64_t bytes = 0;
  for (const Recompute recompute : policy) {
    bytes += recompute == Recompute::kNothing ? 10 : recompute == Recompute::kExpand ? 6 : 0;
  }
  return bytes;
}

TEST(RecomputeChoiceTest, RecomputesNothingThatFits) {
  const std::vector<SpaceNode> nodes{Block(8), Block(16)};
  int asked = 0;
  const RecomputeChoice choice = ChooseRecompute(nodes, 20, [&](const RecomputePolicy& policy) {
    ++asked;
    return Bytes(policy);
  });
  EXPECT_EQ(choice.policy, RecomputePolicy(2, Recompute::kNothing));
  EXPECT_EQ(choice.peak_bytes, 20);
  EXPECT_EQ(asked, 1);
}

// A number of an expansion costs as many multiply-adds as the block has channels c, one of the rest
// 3 (9 + c) / 4: the block of 8 comes first with both, then that of 16, then that of 32.
TEST(RecomputeChoiceTest, StartsWhereANumberIsCheapestAndStopsWhereItFits) {
  const std::vector<SpaceNode> nodes{Block(16), Block(32), Block(8)};
  using enum Recompute;
  const auto policy = [&](std::int64_t budget) {
    return ChooseRecompute(nodes, budget, Bytes).policy;
  };
  EXPECT_EQ(policy(29), (RecomputePolicy{kNothing, kNothing, kExpand}));
  EXPECT_EQ(policy(25), (RecomputePolicy{kNothing, kNothing, kAll}));
  EXPECT_EQ(policy(18), (RecomputePolicy{kExpand, kNothing, kAll}));
  EXPECT_EQ(policy(15), (RecomputePolicy{kAll, kNothing, kAll}));
  EXPECT_EQ(policy(0), (RecomputePolicy{kAll, kAll, kAll}));
}

TEST(RecomputeChoiceTest, GivesTheSmallestPeakWhereNothingFits) {
  const std::vector<SpaceNode> nodes{Block(8), Block(16)};
  const RecomputeChoice choice =
      ChooseRecompute(nodes, 5, [](const RecomputePolicy& policy) { return 7 + Bytes(policy); });
  EXPECT_EQ(choice.policy, RecomputePolicy(2, Recompute::kAll));
  EXPECT_EQ(choice.peak_bytes, 7);
}

// The cheapest block frees nothing at the peak: it is left as it is.
TEST(RecomputeChoiceTest, TakesBackWhatDoesNotHelp) {
  const std::vector<SpaceNode> nodes{Block(8), Block(16), Block(32)};
  const auto peak = [](RecomputePolicy policy) {
    policy.front() = Recompute::kNothing;
    return Bytes(policy);
  };
  using enum Recompute;
  const RecomputeChoice choice = ChooseRecompute(nodes, 26, peak);
  EXPECT_EQ(choice.policy, (RecomputePolicy{kNothing, kExpand, kNothing}));
  EXPECT_EQ(choice.peak_bytes, 26);
}

TEST(RecomputeChoiceTest, LeavesOutWhatHasNoExpansion) {
  LayerDesc stem = Block(3);
  stem.op = LayerOp::kConv;
  const ChoiceNode choice{.name = "block", .candidates = {Block(8, 3), Block(8, 6)}};
  const std::vector<SpaceNode> nodes{stem, Block(8, 1), choice};
  const auto never = [](const RecomputePolicy&) { return std::int64_t{1}; };
  using enum Recompute;
  EXPECT_EQ(ChooseRecompute(nodes, 0, never).policy, (RecomputePolicy{kNothing, kNothing, kAll}));
  const RecomputedBlocks counts = CountRecomputed(nodes, {kAll, kAll, kExpand});
  EXPECT_EQ(counts.blocks, 1);
  EXPECT_EQ(counts.expansions, 1);
  EXPECT_EQ(counts.wholes, 0);
  EXPECT_EQ(CountRecomputed(nodes, {}).expansions, 0);
}

class RecomputeChoiceOnASpaceTest : public SupernetFixture {};

TEST_F(RecomputeChoiceOnASpaceTest, HonoursEveryBudgetWithNoMoreThanItTakes) {
  const SearchSpace space = LoadSpace("fashion");
  int asked = 0;
  const auto peak_of = [&](const RecomputePolicy& policy) {
    ++asked;
    return PlanSearch(space, context().registry(),
                      {{PlannedStep::kWeights, 32}, {PlannedStep::kArchitecture, 32}},
                      {.recompute = policy, .threads = context().threads()})
        .peak;
  };
  const std::int64_t kept = peak_of({});
  const std::int64_t least = peak_of(RecomputePolicy(space.nodes.size(), Recompute::kAll));
  int before = 0;
  for (int percent = 100; percent >= 0; percent -= 25) {
    asked = 0;
    const std::int64_t budget = least + (kept - least) * percent / 100;
    const RecomputeChoice choice = ChooseRecompute(space.nodes, budget, peak_of);
    const int blocks = space.searchable_blocks();
    EXPECT_LE(asked, 2 + 2 * blocks + 6);
    EXPECT_LE(choice.peak_bytes, budget);
    const RecomputedBlocks counts = CountRecomputed(space.nodes, choice.policy);
    EXPECT_EQ(counts.blocks, blocks);
    const int changes = counts.expansions + 2 * counts.wholes;
    EXPECT_GE(changes, before) << "less memory, more arithmetic";
    EXPECT_EQ(changes == 0, percent == 100);
    EXPECT_LT(changes, percent > 0 ? 2 * blocks : 2 * blocks + 1);
    before = changes;
    for (std::size_t node = 0; node < space.nodes.size(); ++node) {
      if (choice.policy[node] == Recompute::kNothing) continue;
      RecomputePolicy less = choice.policy;
      less[node] = Recompute::kNothing;
      EXPECT_GT(peak_of(less), budget) << "node " << node << " did not need it";
    }
  }
}

TEST_F(RecomputeChoiceOnASpaceTest, NoPolicyChangesABit) {
  const SearchSpace space = TinySpace({.blocks = 3});
  const auto train = [&](const RecomputePolicy& policy) {
    Supernet supernet(context(), space, {.recompute = policy});
    supernet.Initialize(1);
    const Batch batch = RandomBatch(space, 8);
    std::vector<Floats> gradients;
    for (const Path& path : {Path{0, 0, 0}, Path{1, 1, 1}}) {
      RunWeightStep(context(), supernet, path, batch.images, batch.labels, 0, {});
      for (ParameterSlab* slab : supernet.Slabs(path)) {
        gradients.push_back(Copy(slab->gradients()));
        slab->DropGradients();
      }
    }
    for (Floats& floats : AllState(supernet)) gradients.push_back(std::move(floats));
    return gradients;
  };
  const std::vector<Floats> kept = train({});
  const std::size_t nodes = space.nodes.size();
  for (std::size_t node = 0; node < nodes; ++node) {
    for (const Recompute recompute : {Recompute::kExpand, Recompute::kAll}) {
      RecomputePolicy policy(nodes, Recompute::kNothing);
      policy[node] = recompute;
      EXPECT_TRUE(SameBits(train(policy), kept)) << "node " << node;
    }
  }
}

}  // namespace
}  // namespace nasengine
