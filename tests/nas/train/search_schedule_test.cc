// The published schedule by its counts, and the phases' learning rates.
// SPDX-License-Identifier: MIT
#include "nas/train/search_schedule.h"

#include <gtest/gtest.h>

#include <vector>

namespace nasengine {
namespace {

// 1,281,167 - 50,000 training images in batches of 256, the last one partial.
constexpr std::int64_t kImageNetBatches = (1281167 - 50000 + 255) / 256;

ArchitectureSteps EveryKth(const Recipe& recipe) {
  return {.count = 1, .per_weight_steps = recipe.arch_every};
}

std::vector<std::int64_t> Taken(const SearchSchedule& schedule) {
  std::vector<std::int64_t> taken;
  for (std::int64_t step = 0; step < schedule.search_steps(); ++step) {
    if (schedule.TakesArchitectureStep(step)) taken.push_back(step);
  }
  EXPECT_EQ(static_cast<std::int64_t>(taken.size()), schedule.architecture_steps());
  return taken;
}

TEST(SearchScheduleTest, CountsOfThePublishedSearch) {
  EXPECT_EQ(kImageNetBatches, 4810);
  Recipe recipe;  // the defaults are the published ones
  const SearchSchedule schedule(recipe, EveryKth(recipe), kImageNetBatches, 0);
  EXPECT_EQ(schedule.warmup_steps(), 192400);
  EXPECT_EQ(schedule.search_steps(), 577200);
  EXPECT_EQ(schedule.architecture_steps(), 114478);
  int first_epoch = 0;
  int second_epoch = 0;
  for (std::int64_t step = 0; step < kImageNetBatches; ++step) {
    first_epoch += schedule.TakesArchitectureStep(step);
    second_epoch += schedule.TakesArchitectureStep(kImageNetBatches + step);
  }
  EXPECT_EQ(first_epoch, 0);
  EXPECT_EQ(second_epoch, 962);
}

TEST(SearchScheduleTest, LearningRatesOfThePublishedSearch) {
  const SearchSchedule schedule({}, {.alpha_lr = 1e-3}, kImageNetBatches, 0);
  EXPECT_DOUBLE_EQ(schedule.SearchLr(0), 0.025);
  EXPECT_NEAR(schedule.SearchLr(60 * kImageNetBatches), 0.0125, 1e-9);
  EXPECT_NEAR(schedule.SearchLr(119 * kImageNetBatches), 4.2834e-06, 1e-10);
  EXPECT_DOUBLE_EQ(schedule.WarmupLr(0), 0.05);
  EXPECT_NEAR(schedule.WarmupLr(20 * kImageNetBatches), 0.025, 1e-9);
  EXPECT_EQ(schedule.AlphaLr(), 1e-3);
}

TEST(SearchScheduleTest, AnArchitectureStepFollowsEveryKthWeightStepFromItsEpochOn) {
  Recipe recipe;
  recipe.search_epochs = 3;
  recipe.arch_every = 3;
  recipe.arch_start_epoch = 1;
  const SearchSchedule schedule(recipe, EveryKth(recipe), 7, 0);
  EXPECT_EQ(Taken(schedule), (std::vector<std::int64_t>{8, 11, 14, 17, 20}));
}

TEST(SearchScheduleTest, UpdatesByRewardAreSpreadEvenlyOverEveryEpochButTheFirst) {
  const Recipe recipe;
  const SearchSchedule published(recipe, {.count = 300}, kImageNetBatches, 0);
  const std::vector<std::int64_t> taken = Taken(published);
  EXPECT_EQ(taken.size(), 119u * 300u);
  EXPECT_GE(taken.front(), kImageNetBatches);
  for (std::size_t i = 0; i < taken.size(); ++i) {
    EXPECT_EQ(taken[i] / kImageNetBatches, static_cast<std::int64_t>(i) / 300 + 1)
        << "update " << i;
    // 4,810 batches over 300 updates: 16 or 17 apart.
    if (i > 0) {
      EXPECT_EQ((taken[i] - taken[i - 1]) / 2, 8);
    }
  }
}

TEST(SearchScheduleTest, MoreUpdatesThanBatchesAreOneAfterEachBatch) {
  Recipe recipe;
  recipe.search_epochs = 2;
  recipe.arch_start_epoch = 1;
  const SearchSchedule schedule(recipe, {.count = 300}, 4, 0);
  EXPECT_EQ(Taken(schedule), (std::vector<std::int64_t>{4, 5, 6, 7}));
}

TEST(SearchScheduleTest, AnAlgorithmMayTakeNoArchitectureSteps) {
  EXPECT_EQ(SearchSchedule({}, {}, 10, 0).architecture_steps(), 0);
  EXPECT_FALSE(SearchSchedule({}, {}, 10, 0).TakesArchitectureStep(50));
}

TEST(SearchScheduleTest, MaxStepsBoundsEachPhaseAndItsCosine) {
  Recipe recipe;
  recipe.warmup_epochs = 2;
  recipe.search_epochs = 5;
  const SearchSchedule schedule(recipe, EveryKth(recipe), 10, 30);
  EXPECT_EQ(schedule.warmup_steps(), 20);
  EXPECT_EQ(schedule.search_steps(), 30);
  EXPECT_NEAR(schedule.SearchLr(15), recipe.search_lr / 2, 1e-12);
  recipe.warmup_epochs = 0;
  EXPECT_EQ(SearchSchedule(recipe, EveryKth(recipe), 10, 30).warmup_steps(), 0);
}

TEST(SearchScheduleTest, AShortenedSearchIsTheWholeInSmall) {
  // The published schedule in six steps: one in 120 comes before the first architecture step.
  const Recipe recipe;
  const SearchSchedule six(recipe, EveryKth(recipe), kImageNetBatches, 6);
  EXPECT_EQ(Taken(six), (std::vector<std::int64_t>{4}));
  // Updates by reward come 16 steps apart, and one at least.
  const SearchSchedule rewards(recipe, {.count = 300}, kImageNetBatches, 6);
  EXPECT_EQ(Taken(rewards), (std::vector<std::int64_t>{5}));
  EXPECT_EQ(SearchSchedule(recipe, {.count = 0}, kImageNetBatches, 6).architecture_steps(), 0);
  // Half of ten steps, where half of the whole has none.
  Recipe halved;
  halved.search_epochs = 2;
  halved.arch_start_epoch = 1;
  halved.arch_every = 1;
  EXPECT_EQ(Taken(SearchSchedule(halved, EveryKth(halved), 100, 10)),
            (std::vector<std::int64_t>{5, 6, 7, 8, 9}));
  // What is not shortened is as it was.
  halved.search_epochs = 1;
  EXPECT_EQ(SearchSchedule(halved, EveryKth(halved), 100, 500).architecture_steps(), 0);
  // Nor is one taken where the whole takes none.
  EXPECT_EQ(SearchSchedule(halved, EveryKth(halved), 100, 10).architecture_steps(), 0);
}

}  // namespace
}  // namespace nasengine
