// What a search is estimated to take, and that measuring it leaves no trace.
// SPDX-License-Identifier: MIT
#include "nas/cli/search_estimate.h"

#include <gtest/gtest.h>

#include <memory>
#include <string_view>

#include "data/split.h"
#include "data/synthetic_dataset.h"
#include "nas/search/searcher_factory.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

class MeasureStepsTest : public SupernetFixture {
 protected:
  MeasureStepsTest()
      : space_(TinySpace({.blocks = 3, .candidates = kSixCandidates})),
        model_(space_, FakeLatencyTable(space_)),
        supernet_(context(), space_),
        data_({.shape = {8, 8, 2}, .classes = 3, .count = 160, .seed = 2}) {
    supernet_.Initialize(1);
    space_.recipe.random_samples = 5;
    space_.recipe.alpha_lr = 0.5;
    space_.recipe.rl_alpha_lr = 0.5;
    space_.recipe.rl_batch = 20;
  }

  MeasuredSteps Measure(std::string_view name) {
    const SearchAlgorithm& algorithm = FindAlgorithm(name);
    const Recipe& recipe = space_.recipe;
    const std::unique_ptr<Searcher> searcher = algorithm.make(
        {.supernet = supernet_,
         .latency = &model_,
         .objective = {.kind = algorithm.default_objective, .reference_ms = model_.ReferenceMs()},
         .recipe = recipe,
         .seed = 1});
    const Split split = StratifiedSplit(data_, 40, 1);
    const LoaderConfig loading{
        .batch_size = 20, .augment = {.stats = ComputeChannelStats(data_)}, .seed = 1};
    Loader weight_loader(data_, split.weights, loading, allocator());
    Loader arch_loader(data_, split.architecture, loading, allocator());
    const SearchSchedule schedule(recipe, algorithm.architecture_steps(recipe),
                                  weight_loader.batches_per_epoch(), 0);
    const MeasuredSteps measured =
        MeasureSteps(context(), supernet_, *searcher, schedule, weight_loader, arch_loader,
                     [&](std::uint64_t /*step*/) { return SmallestPath(space_); });
    EXPECT_EQ(weight_loader.position(), LoaderPosition{});
    EXPECT_EQ(arch_loader.position(), LoaderPosition{});
    return measured;
  }

  SearchSpace space_;
  const LatencyModel model_;
  Supernet supernet_;
  const SyntheticDataset data_;
};

TEST_F(MeasureStepsTest, LeavesNoTraceOfAnyAlgorithmsSteps) {
  const std::vector<Floats> state = AllState(supernet_);
  const std::vector<Floats> alphas = Alphas(supernet_);
  for (const std::string_view name : AlgorithmNames()) {
    const MeasuredSteps measured = Measure(name);
    EXPECT_TRUE(SameBits(state, AllState(supernet_))) << name;
    EXPECT_TRUE(SameBits(alphas, Alphas(supernet_))) << name;
    for (const ParameterSlab* slab : supernet_.Slabs()) EXPECT_FALSE(slab->has_gradients());
    EXPECT_GT(measured.weight_seconds, 0) << name;
    EXPECT_GT(measured.training_seconds, 0) << name;
    const bool random = name == "random";
    EXPECT_EQ(measured.architecture_seconds > 0, !random) << name;
    EXPECT_GT(measured.evaluation_seconds, 0) << name;
    EXPECT_EQ(measured.scored_paths, random ? 5 : 0) << name;
  }
}

TEST(EstimateSecondsTest, AddsUpTheStepsOfTheSchedule) {
  const Recipe recipe{.warmup_epochs = 2, .search_epochs = 3, .arch_start_epoch = 1};
  const MeasuredSteps measured{.weight_seconds = 1,
                               .training_seconds = 2,
                               .architecture_seconds = 10,
                               .evaluation_seconds = 100,
                               .scored_paths = 7};
  const SearchSchedule schedule(recipe, {.count = 4}, 20, 0);
  const PhaseSeconds seconds = EstimateSeconds(
      measured, schedule, {.validations = 3, .training_steps = 50, .profile_seconds = 5});
  EXPECT_EQ(seconds.profile, 5);
  EXPECT_EQ(seconds.warmup, 40);
  EXPECT_EQ(seconds.search, 60 + 2 * 4 * 10 + 1000);
  EXPECT_EQ(seconds.train, 100);
  EXPECT_EQ(seconds.total, 5 + 40 + 1140 + 100);
}

TEST(FitToBudgetTest, KeepsHowFarAlphasCanTravel) {
  const Recipe recipe{.warmup_epochs = 4,
                      .search_epochs = 8,
                      .train_epochs = 8,
                      .alpha_lr = 0.01,
                      .arch_start_epoch = 0,
                      .rl_alpha_lr = 0.02};
  const auto estimate = [](const Recipe& r) {
    return PhaseSeconds{.warmup = 1.0 * r.warmup_epochs,
                        .search = 1.0 * r.search_epochs,
                        .train = 1.0 * r.train_epochs};
  };
  const Recipe half = FitToBudget(recipe, 10, estimate);
  EXPECT_EQ(half.search_epochs, 4);
  EXPECT_DOUBLE_EQ(half.alpha_lr, 0.02);
  EXPECT_DOUBLE_EQ(half.rl_alpha_lr, 0.04);
  EXPECT_THROW(FitToBudget(recipe, 2, estimate), Error);
}

}  // namespace
}  // namespace nasengine
