// SPDX-License-Identifier: MIT
#include "nas/search/random_searcher.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/support/fake_latency_table.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

// Remembers what it was asked, answers by a formula, and has enough after so many.
class RecordingScorer final : public PathScorer {
 public:
  explicit RecordingScorer(std::size_t enough = 1000) : enough_(enough) {}
  double Top1(std::span<const int> path) override {
    asked.emplace_back(path.begin(), path.end());
    return Score(asked.back());
  }
  bool stopped() const override { return asked.size() >= enough_; }
  static double Score(const Path& path) {
    double score = 0;
    for (const int choice : path) score = (score * 7 + choice * 5) / 11;
    return score;
  }

  std::vector<Path> asked;

 private:
  std::size_t enough_;
};

class RandomSearcherTest : public SupernetFixture {
 protected:
  RandomSearcherTest()
      : space_(TinySpace({.blocks = 4, .candidates = kSixCandidates})),
        model_(space_, FakeLatencyTable(space_)),
        supernet_(context(), space_) {}

  std::string MessageOf(const LatencyModel* latency, const RandomSearcherConfig& config) {
    try {
      RandomSearcher(supernet_, latency, config);
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was thrown";
  }

  const SearchSpace space_;
  const LatencyModel model_;
  Supernet supernet_;
};

TEST_F(RandomSearcherTest, TakesTheBestOfDistinctPathsWithinTheLimit) {
  RandomSearcher searcher(supernet_, &model_,
                          {.seed = 4, .samples = 60, .latency_limit_ms = model_.ReferenceMs()});
  RecordingScorer scorer;
  const Path chosen = searcher.Choose(scorer);
  EXPECT_EQ(scorer.asked.size(), 60u);
  EXPECT_EQ(std::set<Path>(scorer.asked.begin(), scorer.asked.end()).size(), 60u);
  double best = -1;
  for (const Path& path : scorer.asked) {
    EXPECT_LE(model_.PathMs(path), model_.ReferenceMs());
    best = std::max(best, RecordingScorer::Score(path));
  }
  EXPECT_EQ(RecordingScorer::Score(chosen), best);
}

TEST_F(RandomSearcherTest, WithoutALimitSlowPathsAreDrawnToo) {
  RandomSearcher searcher(supernet_, nullptr, {.seed = 4, .samples = 60});
  RecordingScorer scorer;
  searcher.Choose(scorer);
  int slow = 0;
  for (const Path& path : scorer.asked) slow += model_.PathMs(path) > model_.ReferenceMs();
  EXPECT_GT(slow, 10);
}

TEST_F(RandomSearcherTest, TheSameSeedDrawsTheSamePaths) {
  const auto drawn = [&](std::uint32_t seed) {
    RandomSearcher searcher(supernet_, nullptr, {.seed = seed, .samples = 20});
    RecordingScorer scorer;
    searcher.Choose(scorer);
    return scorer.asked;
  };
  EXPECT_EQ(drawn(1), drawn(1));
  EXPECT_NE(drawn(1), drawn(2));
}

TEST_F(RandomSearcherTest, AStopLeavesTheBestSoFar) {
  RandomSearcher searcher(supernet_, nullptr, {.seed = 4, .samples = 60});
  RecordingScorer all;
  searcher.Choose(all);
  RecordingScorer some(5);
  const Path chosen = searcher.Choose(some);
  EXPECT_EQ(some.asked.size(), 5u);
  double best = -1;
  for (std::size_t i = 0; i < 5; ++i) best = std::max(best, RecordingScorer::Score(all.asked[i]));
  EXPECT_EQ(RecordingScorer::Score(chosen), best);
  RecordingScorer none(0);
  EXPECT_EQ(searcher.Choose(none), all.asked.front());
}

TEST_F(RandomSearcherTest, TooFewPathsWithinTheLimitAreRefused) {
  const double smallest_ms = model_.SmallestReachableMs();
  const std::string message =
      MessageOf(&model_, {.samples = 5, .latency_limit_ms = smallest_ms * 0.9});
  EXPECT_NE(message.find(StrCat("found 0 distinct paths within the reference of ",
                                smallest_ms * 0.9, " (the smallest reachable is ", smallest_ms)),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("random_samples = 5"), std::string::npos) << message;
  // A space of six candidates in one block has no seventh path.
  const SearchSpace one = TinySpace({.blocks = 1, .candidates = kSixCandidates});
  const Supernet small(context(), one);
  EXPECT_THROW(RandomSearcher(small, nullptr, {.samples = 7}), Error);
  RandomSearcher(small, nullptr, {.samples = 6});
}

TEST_F(RandomSearcherTest, TakesNoArchitectureSteps) {
  RandomSearcher searcher(supernet_, nullptr, {.samples = 3});
  EXPECT_THROW(searcher.ArchitectureStep(context(), RandomBatch(space_, 4), 0), Error);
}

}  // namespace
}  // namespace nasengine
