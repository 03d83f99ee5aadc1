// Architecture steps of Proxyless-R on a supernet: what is scored, what moves, what is reported.
// SPDX-License-Identifier: MIT
#include "nas/search/reinforce_searcher.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "nas/supernet/step.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

constexpr std::uint32_t kSeed = 9;
constexpr int kSamples = 6;

class ReinforceSearcherTest : public SupernetFixture {
 protected:
  static ReinforceSearcher Searcher(Supernet& supernet, const LatencyModel* model,
                                    ObjectiveKind kind) {
    const double reference_ms = model == nullptr ? 0 : model->ReferenceMs();
    return ReinforceSearcher(supernet, model, Reward({.kind = kind, .reference_ms = reference_ms}),
                             {.seed = kSeed, .samples = kSamples, .alpha_lr = 0.02});
  }
  // The paths of architecture step `step`: as many odd draws of the stream of gates.
  static std::vector<Path> DrawnPaths(const Supernet& supernet, std::uint64_t step) {
    std::vector<Path> paths;
    for (std::uint64_t m = 0; m < kSamples; ++m) {
      paths.push_back(
          supernet.SamplePath(Rng(kSeed, RngPurpose::kGates), 2 * (step * kSamples + m) + 1));
    }
    return paths;
  }
};

TEST_F(ReinforceSearcherTest, ReportsTheScoresOfItsDraws) {
  const SearchSpace space = TinySpace({.blocks = 4});
  const LatencyModel model(space, FakeLatencyTable(space));
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  ReinforceSearcher searcher = Searcher(supernet, &model, ObjectiveKind::kMulLog);
  const Batch batch = RandomBatch(space, 12);
  double reward = 0;
  double cross_entropy = 0;
  std::int64_t hits = 0;
  for (const Path& path : DrawnPaths(supernet, 2)) {
    const StepResult scored = RunForwardStep(context(), supernet, path, batch.images, batch.labels);
    const double top1 = static_cast<double>(scored.top1_hits) / 12;
    reward += top1 * std::pow(model.ReferenceMs() / model.PathMs(path), 0.1) / kSamples;
    cross_entropy += scored.loss / kSamples;
    hits += scored.top1_hits;
  }
  const double expected_ms = searcher.ExpectedLatencyMs();
  const ArchitectureStepResult result = searcher.ArchitectureStep(context(), batch, 2);
  EXPECT_GT(hits, 0);
  EXPECT_NEAR(result.loss, -reward, 1e-12);
  EXPECT_NEAR(result.cross_entropy, cross_entropy, 1e-12);
  EXPECT_EQ(result.top1_hits, hits);
  EXPECT_EQ(result.images, 12 * kSamples);
  EXPECT_EQ(result.expected_latency_ms, expected_ms);
  EXPECT_NE(searcher.ExpectedLatencyMs(), expected_ms) << "the alphas have moved";
}

TEST_F(ReinforceSearcherTest, MovesAlphasOfEveryBlockAndNothingElse) {
  const SearchSpace space = TinySpace({.blocks = 4});
  const LatencyModel model(space, FakeLatencyTable(space));
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  ReinforceSearcher searcher = Searcher(supernet, &model, ObjectiveKind::kMulLog);
  const std::vector<Floats> state = AllState(supernet);
  const std::vector<Floats> alphas = Alphas(supernet);
  int zeros = 0;
  for (const Path& path : DrawnPaths(supernet, 0)) zeros += path[2] == 2;
  EXPECT_GT(zeros, 0) << "Zero is to be among the draws of a block";
  searcher.ArchitectureStep(context(), RandomBatch(space, 12), 0);
  EXPECT_TRUE(SameBits(state, AllState(supernet)));
  for (std::size_t block = 0; block < alphas.size(); ++block) {
    EXPECT_FALSE(SameBits(alphas[block], Alphas(supernet)[block])) << "block " << block;
  }
}

TEST_F(ReinforceSearcherTest, WithLatencyAloneTheExpectationFallsToTheCheapest) {
  const SearchSpace space = TinySpace({.blocks = 3, .candidates = kSixCandidates, .zero = false});
  const LatencyModel model(space, FakeLatencyTable(space));
  Supernet supernet(context(), space);  // weights of zero: every path has the same accuracy
  ReinforceSearcher searcher(
      supernet, &model,
      Reward(
          {.kind = ObjectiveKind::kAddLinear, .lambda = 0.1, .reference_ms = model.ReferenceMs()}),
      {.seed = kSeed, .samples = 10, .alpha_lr = 0.1});
  const Batch batch = RandomBatch(space, 3);
  for (std::uint64_t step = 0; step < 200; ++step) {
    searcher.ArchitectureStep(context(), batch, step);
  }
  EXPECT_LT(searcher.ExpectedLatencyMs(), model.ReferenceMs());
  EXPECT_EQ(model.PathMs(supernet.BestPath()), model.SmallestReachableMs());
}

TEST_F(ReinforceSearcherTest, WeightPathsAreThoseOfTheOtherAlgorithms) {
  const SearchSpace space = TinySpace({.blocks = 6, .candidates = kSixCandidates});
  Supernet supernet(context(), space);
  const ReinforceSearcher searcher = Searcher(supernet, nullptr, ObjectiveKind::kNone);
  EXPECT_EQ(searcher.WeightPath(3),
            supernet.SamplePath(Rng(kSeed, RngPurpose::kGates), 2 * std::uint64_t{3}));
  EXPECT_NE(searcher.WeightPath(3), searcher.WeightPath(4));
  EXPECT_EQ(searcher.ExpectedLatencyMs(), 0);
}

TEST_F(ReinforceSearcherTest, ARewardWithLatencyNeedsATable) {
  Supernet supernet(context(), TinySpace());
  EXPECT_THROW(ReinforceSearcher(supernet, nullptr, Reward({.reference_ms = 1}), {}), Error);
}

}  // namespace
}  // namespace nasengine
