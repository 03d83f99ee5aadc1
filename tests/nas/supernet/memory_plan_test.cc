// The plan against the count of real steps on the default space.
// SPDX-License-Identifier: MIT
#include "nas/supernet/memory_plan.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "kernels/conv/mbconv.h"
#include "nas/space/space_file.h"
#include "nas/supernet/prepare.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

constexpr std::int64_t kBatch = 32;

class MemoryPlanTest : public SupernetFixture {
 protected:
  // Counts real steps of `space` along `path` in an allocator of their own; the batch is not in it.
  MemoryPlan Count(const SearchSpace& space, const Path& path, PlannedStep step,
                   ComputeOptions compute = {}) {
    CachingAllocator counted(context().backend());
    const std::unique_ptr<Context> own = context().Sibling(counted, context().registry());
    Supernet supernet(*own, space, std::move(compute));
    supernet.Initialize(1);
    for (ParameterSlab* slab : supernet.Slabs()) slab->momentum(*own);
    const Batch batch = RandomBatch(space, kBatch);  // from the fixture's allocator
    for (int i = 0; i < 2; ++i) {
      if (i == 1) counted.ResetPeak();
      RehearseStep(*own, supernet, step, path, batch.images, batch.labels);
    }
    return ToMemoryPlan(counted.stats());
  }

  MemoryPlan Plan(const SearchSpace& space, const Path& path, PlannedStep step,
                  std::int64_t batch = kBatch, const ComputeOptions& compute = {}) {
    return PlanStep(space, path, context().registry(),
                    {.batch = batch,
                     .dtype = compute.dtype,
                     .recompute = compute.recompute,
                     .micro_batch = compute.micro_batch,
                     .step = step,
                     .threads = context().threads(),
                     .device = &context().backend()});
  }

  static RecomputePolicy Everywhere(const SearchSpace& space, Recompute recompute) {
    return RecomputePolicy(space.nodes.size(), recompute);
  }

  static void ExpectWithin(double share, std::int64_t plan, std::int64_t count) {
    EXPECT_GT(count, 0);
    EXPECT_LE(std::abs(static_cast<double>(plan - count)), share * static_cast<double>(count))
        << "planned " << plan << ", counted " << count;
  }
};

TEST_F(MemoryPlanTest, AgreesWithTheCountOfRealSteps) {
  const SearchSpace space = LoadSpace("fashion");
  const Path largest = LargestPath(space);
  for (const PlannedStep step :
       {PlannedStep::kWeights, PlannedStep::kArchitecture, PlannedStep::kTwoPaths,
        PlannedStep::kAllPaths, PlannedStep::kAllPathsArchitecture, PlannedStep::kEvaluation}) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      SCOPED_TRACE(StrCat(static_cast<int>(step), " ", Name(dtype)));
      const MemoryPlan plan = Plan(space, largest, step, kBatch, {.dtype = dtype});
      const MemoryPlan count = Count(space, largest, step, {.dtype = dtype});
      ExpectWithin(0.02, plan.peak - plan.workspace, count.peak - count.workspace);
      ExpectWithin(0.05, plan.peak, count.peak);
      ExpectWithin(0.02, plan.weights, count.weights);
      ExpectWithin(0.02, plan.activations, count.activations);
      EXPECT_EQ(plan.optimizer, count.optimizer);
    }
  }
}

TEST_F(MemoryPlanTest, ComputingAgainKeepsLessAsPlanned) {
  const SearchSpace space = LoadSpace("fashion");
  const Path largest = LargestPath(space);
  std::int64_t before = Plan(space, largest, PlannedStep::kWeights).activations;
  // A composed block computes into temporaries that a fused one does not have.
  const bool fused = Ours<MbconvBackward>().device == context().device().type;
  for (const Recompute recompute : {Recompute::kExpand, Recompute::kAll}) {
    const ComputeOptions compute{.recompute = Everywhere(space, recompute)};
    const MemoryPlan plan = Plan(space, largest, PlannedStep::kWeights, kBatch, compute);
    const MemoryPlan count = Count(space, largest, PlannedStep::kWeights, compute);
    ExpectWithin(0.02, plan.activations, count.activations);
    EXPECT_LT(plan.activations, fused ? before * 4 / 5 : before);
    before = plan.activations;
  }
}

// Blocks that free something at the peak: it comes when the last ones' gradients are formed.
TEST_F(MemoryPlanTest, EveryBlockHasAPolicyOfItsOwn) {
  const SearchSpace space = LoadSpace("fashion");
  const Path largest = LargestPath(space);
  const std::int64_t kept = Plan(space, largest, PlannedStep::kWeights).activations;
  int fewer = 0;
  for (std::size_t node = 0; node < space.nodes.size(); ++node) {
    ComputeOptions compute{.recompute = Everywhere(space, Recompute::kNothing)};
    compute.recompute[node] = Recompute::kAll;
    const MemoryPlan plan = Plan(space, largest, PlannedStep::kWeights, kBatch, compute);
    const MemoryPlan count = Count(space, largest, PlannedStep::kWeights, compute);
    ExpectWithin(0.02, plan.activations, count.activations);
    EXPECT_LE(plan.activations, kept);
    if (plan.activations < kept) ++fewer;
  }
  EXPECT_GE(fewer, space.searchable_blocks() / 2);
  EXPECT_LT(fewer, static_cast<int>(space.nodes.size()));
  EXPECT_THROW(Plan(space, largest, PlannedStep::kWeights, kBatch,
                    {.recompute = RecomputePolicy(2, Recompute::kAll)}),
               Error);
}

TEST_F(MemoryPlanTest, AStepInPartsKeepsOneOfThemAsPlanned) {
  const SearchSpace space = LoadSpace("fashion");
  const Path largest = LargestPath(space);
  const ComputeOptions quarters{.micro_batch = kBatch / 4};
  for (const PlannedStep step :
       {PlannedStep::kWeights, PlannedStep::kArchitecture, PlannedStep::kAllPaths}) {
    SCOPED_TRACE(static_cast<int>(step));
    const MemoryPlan plan = Plan(space, largest, step, kBatch, quarters);
    const MemoryPlan count = Count(space, largest, step, quarters);
    ExpectWithin(0.02, plan.peak - plan.workspace, count.peak - count.workspace);
    ExpectWithin(0.02, plan.activations, count.activations);
    EXPECT_LT(plan.activations, Plan(space, largest, step).activations / 3);
  }
  EXPECT_EQ(Plan(space, largest, PlannedStep::kEvaluation, kBatch, quarters).peak,
            Plan(space, largest, PlannedStep::kEvaluation).peak);
}

// With every block computed again all paths fit where the largest path fits that keeps.
TEST_F(MemoryPlanTest, AllPathsComputedAgainTakeNoMoreThanOneKept) {
  for (const std::string name : {"fashion", "proxyless-imagenet"}) {
    const SearchSpace space = LoadSpace(name);
    const Path largest = LargestPath(space);
    const ComputeOptions again{.recompute = Everywhere(space, Recompute::kAll)};
    EXPECT_LE(Plan(space, {}, PlannedStep::kAllPaths, 8, again).activations,
              Plan(space, largest, PlannedStep::kWeights, 8).activations)
        << name;
  }
}

// Activations halve but for their statistics and an activated map of the block at the peak, which
// only the fused kernels do without; weights grow by half of what multiplies them.
TEST_F(MemoryPlanTest, Bf16HalvesActivationsAndAddsACopyOfTheWeights) {
  const SearchSpace space = LoadSpace("fashion");
  const Path largest = LargestPath(space);
  const MemoryPlan f32 = Plan(space, largest, PlannedStep::kWeights, 128);
  const MemoryPlan bf16 = Plan(space, largest, PlannedStep::kWeights, 128, {.dtype = DType::kBf16});
  const double share = static_cast<double>(bf16.activations) / static_cast<double>(f32.activations);
  EXPECT_NEAR(share, 0.5, 0.04);
  EXPECT_GT(bf16.weights, f32.weights);
  EXPECT_LT(bf16.weights, f32.weights * 3 / 2);
  EXPECT_EQ(bf16.optimizer, f32.optimizer);
}

TEST_F(MemoryPlanTest, CategoriesAddUpAndFollowTheBatch) {
  const SearchSpace space = TinySpace({.input = {16, 16, 3}});
  const Path path = LargestPath(space);
  const MemoryPlan small = Plan(space, path, PlannedStep::kWeights, 8);
  EXPECT_EQ(small.peak, small.weights + small.gradients + small.optimizer + small.activations +
                            small.workspace + small.data);
  const MemoryPlan large = Plan(space, path, PlannedStep::kWeights, 80);
  EXPECT_EQ(small.weights, large.weights);
  EXPECT_NEAR(static_cast<double>(large.activations), 10.0 * static_cast<double>(small.activations),
              0.05 * static_cast<double>(large.activations));
}

TEST_F(MemoryPlanTest, TheSearchsPlanIsTheLargestStepAndCountsTheData) {
  const SearchSpace space = TinySpace({.input = {16, 16, 3}});
  const PlanOptions options{
      .threads = context().threads(), .device = &context().backend(), .data_bytes = 1 << 20};
  const auto plan = [&](const std::vector<SizedStep>& steps) {
    return PlanSearch(space, context().registry(), steps, options);
  };
  const SizedStep weights{PlannedStep::kWeights, 16};
  const SizedStep architecture{PlannedStep::kArchitecture, 16};
  EXPECT_EQ(plan({weights}).data, 1 << 20);
  EXPECT_EQ(plan({weights, architecture}).peak,
            std::max(plan({weights}).peak, plan({architecture}).peak));
  EXPECT_GT(plan({weights, {PlannedStep::kArchitecture, 64}}).peak, plan({weights}).peak);
  EXPECT_GT(plan({weights, {PlannedStep::kAllPaths, 16}}).peak, plan({weights}).peak);
}

TEST_F(MemoryPlanTest, OnePathTakesAFractionOfAllPaths) {
  const SearchSpace space = LoadSpace("fashion");
  const Path largest = LargestPath(space);
  const MemoryPlan one = Plan(space, largest, PlannedStep::kWeights);
  const MemoryPlan all = Plan(space, largest, PlannedStep::kAllPaths);
  EXPECT_LT(3 * one.activations, all.activations);
}

TEST_F(MemoryPlanTest, TheSecondOfTwoPathsIsTheLargestBesideTheFirst) {
  const SearchSpace space =
      TinySpace({.candidates = {"3x3_MBConv3", "7x7_MBConv6", "5x5_MBConv6"}});
  EXPECT_EQ(LargestPathBeside(space, Path{1, 1}), (Path{2, 2}));
  EXPECT_EQ(LargestPathBeside(space, Path{0, 3}), (Path{1, 1}));
  const MemoryPlan all = Plan(space, Path{1, 1}, PlannedStep::kArchitecture);
  const MemoryPlan two = Plan(space, Path{1, 1}, PlannedStep::kTwoPaths);
  EXPECT_EQ(two.activations, all.activations) << "one after another, so that the largest counts";
}

TEST_F(MemoryPlanTest, TrainingsPlanAgreesWithTheCount) {
  const SearchSpace space = LoadSpace("fashion");
  const NetworkDesc desc = nasengine::Derive(space, LargestPath(space));
  const MemoryPlan plan = PlanTraining(
      desc, context().registry(),
      {.batch = kBatch, .threads = context().threads(), .device = &context().backend()});
  CachingAllocator counted(context().backend());
  const std::unique_ptr<Context> own = context().Sibling(counted, context().registry());
  Network network(*own, desc);
  network.Initialize(1);
  for (ParameterSlab* slab : network.Slabs()) slab->momentum(*own);
  const Batch batch = RandomBatch(space, kBatch);
  const Rng dropout(1, RngPurpose::kDropout);
  for (int i = 0; i < 2; ++i) {
    if (i == 1) counted.ResetPeak();
    Tape tape(*own, GradientsOf::kActivationsAndParameters);
    const Variable logits = network.Forward(tape, batch.images, {.dropout_rng = &dropout});
    tape.Backward(SoftmaxCrossEntropy(tape, logits, batch.labels, 0).loss);
    for (ParameterSlab* slab : network.Slabs()) slab->DropGradients();
  }
  const MemoryPlan count = ToMemoryPlan(counted.stats());
  ExpectWithin(0.02, plan.peak - plan.workspace, count.peak - count.workspace);
  ExpectWithin(0.05, plan.peak, count.peak);
}

}  // namespace
}  // namespace nasengine
