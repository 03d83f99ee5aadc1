// SPDX-License-Identifier: MIT
#include "nas/search/searcher_factory.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/fake_latency_table.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

class SearcherFactoryTest : public SupernetFixture {
 protected:
  SearcherFactoryTest()
      : space_(TinySpace({.blocks = 4, .candidates = kSixCandidates})),
        model_(space_, FakeLatencyTable(space_)),
        supernet_(context(), space_) {
    space_.recipe.random_samples = 20;
  }
  std::unique_ptr<Searcher> Make(const SearchAlgorithm& algorithm, ObjectiveKind objective) {
    return algorithm.make({.supernet = supernet_,
                           .latency = &model_,
                           .objective = {.kind = objective, .reference_ms = model_.ReferenceMs()},
                           .recipe = space_.recipe,
                           .seed = 1});
  }

  SearchSpace space_;
  const LatencyModel model_;
  Supernet supernet_;
};

TEST_F(SearcherFactoryTest, MakesEveryAlgorithmWithItsOwnObjective) {
  for (const std::string_view name : AlgorithmNames()) {
    const SearchAlgorithm& algorithm = FindAlgorithm(name);
    EXPECT_EQ(algorithm.name, name);
    EXPECT_EQ(Make(algorithm, algorithm.default_objective)->name(), name);
  }
}

TEST_F(SearcherFactoryTest, NamesTheAlgorithmsToWhoMisspellsOne) {
  try {
    FindAlgorithm("proxyless");
    FAIL() << "an unknown algorithm was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'proxyless', accepted: proxyless-g"),
              std::string::npos)
        << error.what();
  }
}

// The latencies of this table are far below 1 ms.
TEST_F(SearcherFactoryTest, MulLogIsRefusedOnlyWhereALogarithmIsTaken) {
  EXPECT_THROW(Make(FindAlgorithm("proxyless-g"), ObjectiveKind::kMulLog), Error);
  Make(FindAlgorithm("proxyless-r"), ObjectiveKind::kMulLog);
  EXPECT_THROW(Make(FindAlgorithm("random"), ObjectiveKind::kMulLog), Error);
}

TEST_F(SearcherFactoryTest, ArchitectureStepsAreTheRecipes) {
  const Recipe recipe{.batch = 64,
                      .alpha_lr = 0.5,
                      .arch_every = 4,
                      .rl_batch = 500,
                      .rl_updates_per_epoch = 30,
                      .rl_alpha_lr = 0.25};
  const ArchitectureSteps gradient = FindAlgorithm("proxyless-g").architecture_steps(recipe);
  EXPECT_EQ(gradient.count, 1);
  EXPECT_EQ(gradient.per_weight_steps, 4);
  EXPECT_EQ(gradient.images, 64);
  EXPECT_EQ(gradient.alpha_lr, 0.5);
  const ArchitectureSteps reward = FindAlgorithm("proxyless-r").architecture_steps(recipe);
  EXPECT_EQ(reward.count, 30);
  EXPECT_EQ(reward.per_weight_steps, 0) << "of an epoch";
  EXPECT_EQ(reward.images, 500);
  EXPECT_EQ(reward.alpha_lr, 0.25);
  EXPECT_EQ(FindAlgorithm("random").architecture_steps(recipe).count, 0);
}

TEST_F(SearcherFactoryTest, AdviceNamesTheKeysThatTheAlgorithmObeys) {
  for (const char* name : {"proxyless-g", "proxyless-g-two", "darts"}) {
    EXPECT_EQ(FindAlgorithm(name).knobs.alpha_lr, "alpha_lr");
    EXPECT_EQ(FindAlgorithm(name).knobs.latency, "latency_weight");
  }
  const ArchitectureKnobs& reward = FindAlgorithm("proxyless-r").knobs;
  EXPECT_EQ(reward.alpha_lr, "rl_alpha_lr");
  EXPECT_EQ(reward.more_steps, "a larger rl_updates_per_epoch");
  EXPECT_EQ(reward.more_images, "a larger rl_batch or rl_samples");
}

TEST_F(SearcherFactoryTest, AlphasMoveByTheRecipesAdam) {
  space_.recipe.alpha_weight_decay = 0.1;
  EXPECT_THROW(Make(FindAlgorithm("proxyless-g-two"), ObjectiveKind::kNone), Error)
      << "candidates that were not drawn must rest";
  EXPECT_NO_THROW(Make(FindAlgorithm("proxyless-g"), ObjectiveKind::kNone));
  space_.recipe.alpha_weight_decay = 0;
  space_.recipe.alpha_beta1 = 0.5;
  EXPECT_THROW(Make(FindAlgorithm("proxyless-g-two"), ObjectiveKind::kNone), Error);
}

TEST_F(SearcherFactoryTest, PlansTheStepsThatAnAlgorithmTakes) {
  const Recipe recipe{.batch = 64, .arch_batch = 16, .rl_batch = 500};
  using Steps = std::vector<std::pair<PlannedStep, std::int64_t>>;
  const auto steps = [&](std::string_view name) {
    Steps sized;
    for (const SizedStep& step : SearchSteps(FindAlgorithm(name), recipe)) {
      sized.emplace_back(step.step, step.batch);
    }
    return sized;
  };
  EXPECT_EQ(steps("proxyless-g"),
            (Steps{{PlannedStep::kWeights, 64}, {PlannedStep::kArchitecture, 16}}));
  EXPECT_EQ(steps("proxyless-g-two"),
            (Steps{{PlannedStep::kWeights, 64}, {PlannedStep::kTwoPaths, 16}}));
  EXPECT_EQ(steps("proxyless-r"),
            (Steps{{PlannedStep::kWeights, 64}, {PlannedStep::kEvaluation, 500}}));
  EXPECT_EQ(steps("darts"),
            (Steps{{PlannedStep::kAllPaths, 64}, {PlannedStep::kAllPathsArchitecture, 16}}));
  EXPECT_EQ(steps("random"), (Steps{{PlannedStep::kWeights, 64}}));
}

}  // namespace
}  // namespace nasengine
