// The loop of a search on a tiny space: which steps it takes, what it reports, that it repeats.
// SPDX-License-Identifier: MIT
#include "nas/train/search_loop.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numbers>
#include <optional>
#include <vector>

#include "data/split.h"
#include "data/synthetic_dataset.h"
#include "nas/search/darts_searcher.h"
#include "nas/search/gradient_searcher.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

class SearchLoopTest : public SupernetFixture {
 protected:
  SearchLoopTest()
      : space_(TinySpace()), data_({.shape = {8, 8, 2}, .classes = 3, .count = 160, .seed = 2}) {
    // 120 images for the weights make 7 batches, 40 for the architecture 2.
    space_.recipe.warmup_epochs = 1;
    space_.recipe.search_epochs = 3;
    space_.recipe.arch_every = 2;
    space_.recipe.arch_start_epoch = 1;
  }

  struct Result {
    std::vector<StepRecord> records;
    std::vector<StepRecord> epoch_ends;
    std::vector<Path> paths;
    std::vector<std::size_t> records_at_path;  // how many records came before each
    std::vector<Floats> weights;
    std::vector<Floats> alphas;
    std::int64_t weight_steps = 0;
    std::int64_t architecture_steps = 0;
  };

  std::unique_ptr<Searcher> NewSearcher(Supernet& supernet, const LatencyModel& model,
                                        std::uint32_t seed) const {
    const Objective objective({.reference_ms = model.ReferenceMs()}, model.SmallestReachableMs());
    const GradientSearcherConfig config{.seed = seed, .alpha_lr = space_.recipe.alpha_lr};
    if (all_paths_) return std::make_unique<DartsSearcher>(supernet, &model, objective, config);
    return std::make_unique<GradientSearcher>(supernet, &model, objective, config);
  }

  Result RunSearch(std::uint32_t seed, std::int64_t max_steps = 0,
                   const std::function<bool(const StepRecord&)>& stop_after = nullptr) {
    const LatencyModel model(space_, FakeLatencyTable(space_));
    Supernet supernet(context(), space_);
    supernet.Initialize(seed);
    const std::unique_ptr<Searcher> searcher = NewSearcher(supernet, model, seed);
    const Split split = StratifiedSplit(data_, 40, seed);
    const ChannelStats stats = ComputeChannelStats(data_);
    const LoaderConfig config{
        .batch_size = space_.recipe.batch, .augment = {.stats = stats}, .seed = seed};
    Loader weight_loader(data_, split.weights, config, allocator());
    Loader arch_loader(data_, split.architecture, config, allocator());
    const ArchitectureSteps architecture{.count = 1,
                                         .per_weight_steps = space_.recipe.arch_every,
                                         .alpha_lr = space_.recipe.alpha_lr};
    const SearchSchedule schedule(space_.recipe, architecture, weight_loader.batches_per_epoch(),
                                  max_steps);
    SearchLoop loop({context(), allocator(), supernet, *searcher, weight_loader, arch_loader},
                    space_.recipe, schedule);
    Result result;
    std::atomic<bool> stop = false;
    loop.Run({.observe =
                  [&](const StepRecord& record) {
                    result.records.push_back(record);
                    if (stop_after && stop_after(record)) stop = true;
                  },
              .path_trained =
                  [&](std::span<const int> path) {
                    result.paths.emplace_back(path.begin(), path.end());
                    result.records_at_path.push_back(result.records.size());
                  },
              .epoch_ended = [&](const StepRecord& record) { result.epoch_ends.push_back(record); },
              .stop = &stop});
    result.weights = AllState(supernet);
    result.alphas = Alphas(supernet);
    result.weight_steps = schedule.warmup_steps() + schedule.search_steps();
    result.architecture_steps = schedule.architecture_steps();
    return result;
  }

  SearchSpace space_;
  bool all_paths_ = false;  // in weight steps
  const SyntheticDataset data_;
};

TEST_F(SearchLoopTest, TakesItsStepsInOrder) {
  const Result result = RunSearch(1);
  EXPECT_EQ(result.weight_steps, 7 + 21);
  EXPECT_EQ(result.architecture_steps, 7) << "after weight steps 8, 10, ..., 20 of the search";
  ASSERT_EQ(result.records.size(), 7u + 21u + 7u);
  std::size_t i = 0;
  for (; i < 7; ++i) EXPECT_EQ(result.records[i].phase, Phase::kWarmup);
  for (std::int64_t step = 1; step <= 21; ++step) {
    EXPECT_EQ(result.records[i].phase, Phase::kWeight);
    EXPECT_EQ(result.records[i].step, step);
    EXPECT_EQ(result.records[i].epoch, 1 + (step - 1) / 7) << "after one epoch of warm-up";
    ++i;
    if (step < 8 || step % 2 != 0) continue;
    EXPECT_EQ(result.records[i].phase, Phase::kArch);
    EXPECT_EQ(result.records[i].step, step);
    EXPECT_EQ(result.records[i].epoch, result.records[i - 1].epoch);
    ++i;
  }
}

TEST_F(SearchLoopTest, RecordsCarryRateLossLatencyAndEntropy) {
  const Result result = RunSearch(1);
  const LatencyModel model(space_, FakeLatencyTable(space_));
  for (const StepRecord& record : result.records) {
    const bool warmup = record.phase == Phase::kWarmup;
    const std::int64_t steps = warmup ? 7 : 21;
    EXPECT_EQ(record.steps, steps);
    const double cosine =
        0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(record.step - 1) /
                            static_cast<double>(steps)));
    const double lr = record.phase == Phase::kArch ? space_.recipe.alpha_lr
                      : warmup                     ? space_.recipe.warmup_lr * cosine
                                                   : space_.recipe.search_lr * cosine;
    EXPECT_NEAR(record.lr, lr, 1e-12);
    EXPECT_GT(record.loss, 0);
    EXPECT_EQ(record.cross_entropy > 0, record.phase == Phase::kArch);
    EXPECT_GT(record.expected_latency_ms.value(), model.SmallestReachableMs());
    EXPECT_LT(record.expected_latency_ms.value(), model.LargestReachableMs());
    // Two and three candidates, nearly evenly likely.
    EXPECT_NEAR(record.entropy.value(), (std::log(2) + std::log(3)) / 2, 1e-3);
    EXPECT_EQ(record.images, 16);
    EXPECT_GT(record.ms, 0);
    EXPECT_GT(record.peak_bytes, 0);
  }
}

TEST_F(SearchLoopTest, AlphasMoveOnlyInArchitectureSteps) {
  space_.recipe.arch_start_epoch = 3;  // never
  Supernet fresh(context(), space_);
  fresh.Initialize(1);
  const Result without = RunSearch(1);
  EXPECT_EQ(without.architecture_steps, 0);
  EXPECT_TRUE(SameBits(without.alphas, Alphas(fresh)));
  space_.recipe.arch_start_epoch = 0;
  EXPECT_FALSE(SameBits(RunSearch(1).alphas, Alphas(fresh)));
}

TEST_F(SearchLoopTest, TheSameSeedGivesTheSameBitsAndAnotherSeedOthers) {
  space_.recipe.alpha_lr = 0.05;
  const Result first = RunSearch(4);
  const Result again = RunSearch(4);
  EXPECT_TRUE(SameBits(first.weights, again.weights));
  EXPECT_TRUE(SameBits(first.alphas, again.alphas));
  ASSERT_EQ(first.records.size(), again.records.size());
  for (std::size_t i = 0; i < first.records.size(); ++i) {
    EXPECT_EQ(first.records[i].loss, again.records[i].loss);
    EXPECT_EQ(first.records[i].top1, again.records[i].top1);
    EXPECT_EQ(first.records[i].expected_latency_ms, again.records[i].expected_latency_ms);
    EXPECT_EQ(first.records[i].entropy, again.records[i].entropy);
  }
  const Result other = RunSearch(5);
  EXPECT_FALSE(SameBits(first.weights, other.weights));
  EXPECT_FALSE(SameBits(first.alphas, other.alphas));
}

TEST_F(SearchLoopTest, SaysWhenAnEpochHasEnded) {
  const Result result = RunSearch(1);
  ASSERT_EQ(result.epoch_ends.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(result.epoch_ends[i].epoch, static_cast<std::int64_t>(i));
    EXPECT_EQ(result.epoch_ends[i].phase, i == 0 ? Phase::kWarmup : Phase::kWeight);
    EXPECT_EQ(result.epoch_ends[i].step, i == 0 ? 7 : static_cast<std::int64_t>(i) * 7);
  }
  EXPECT_TRUE(RunSearch(1, 3).epoch_ends.empty()) << "six of an epoch's seven batches";
}

TEST_F(SearchLoopTest, HandsOverThePathOfEveryWeightStep) {
  const Result result = RunSearch(1);
  ASSERT_EQ(result.paths.size(), 28u);
  std::size_t record = 0;
  for (const std::size_t records : result.records_at_path) {
    while (result.records[record].phase == Phase::kArch) ++record;
    EXPECT_EQ(records, ++record) << "after that step and before the next";
  }
  // No alpha has moved in the first 7 + 8 steps, whose draws are those of one stream.
  const LatencyModel model(space_, FakeLatencyTable(space_));
  Supernet fresh(context(), space_);
  fresh.Initialize(1);
  const std::unique_ptr<Searcher> searcher = NewSearcher(fresh, model, 1);
  for (std::size_t step = 0; step < 15; ++step) {
    EXPECT_EQ(result.paths[step], searcher->WeightPath(step)) << step;
  }
}

TEST_F(SearchLoopTest, AStepOfAllCandidatesHasNoPath) {
  all_paths_ = true;
  const Result result = RunSearch(1, 2);
  EXPECT_EQ(result.paths, std::vector<Path>(4));
}

TEST_F(SearchLoopTest, MaxStepsBoundsEachPhase) {
  const Result result = RunSearch(1, 5);
  EXPECT_EQ(result.weight_steps, 10);
  EXPECT_EQ(result.records.size(), 12u) << "architecture steps in the second half, as in the whole";
  EXPECT_NEAR(result.records.back().lr,
              space_.recipe.search_lr * 0.5 * (1 + std::cos(std::numbers::pi * 4 / 5)), 1e-12);
}

TEST_F(SearchLoopTest, StopEndsTheLoopAfterTheStepThatSetIt) {
  EXPECT_EQ(RunSearch(1, 0, [](const StepRecord& r) { return r.step == 2; }).records.size(), 2u);
  // Weight step 8 of the search, which an architecture step would follow.
  const Result result =
      RunSearch(1, 0, [](const StepRecord& r) { return r.phase == Phase::kWeight && r.step == 8; });
  EXPECT_EQ(result.records.size(), 7u + 8u);
  EXPECT_EQ(result.records.back().phase, Phase::kWeight);
}

}  // namespace
}  // namespace nasengine
