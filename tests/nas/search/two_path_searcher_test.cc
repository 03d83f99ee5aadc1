// Steps of two paths: only the drawn pair moves, against each other, and nobody else's probability.
// SPDX-License-Identifier: MIT
#include "nas/search/two_path_searcher.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "nas/search/gradient_searcher.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

constexpr double kAlphaLr = 0.03;
constexpr std::uint32_t kSeed = 9;

class TwoPathSearcherTest : public SupernetFixture {
 protected:
  // The pairs that architecture step `step` draws: the odd draws of the stream of gates.
  static std::vector<GatePair> DrawnPairs(const Supernet& supernet, std::uint64_t step) {
    std::vector<GatePair> pairs;
    const Rng rng(kSeed, RngPurpose::kGates);
    for (const BinaryGate& gate : supernet.gates()) {
      pairs.push_back(gate.SamplePair(rng, 2 * step + 1, static_cast<int>(pairs.size())));
    }
    return pairs;
  }
  static Objective AddLinear(const LatencyModel& model, double lambda) {
    return Objective(
        {.kind = ObjectiveKind::kAddLinear, .lambda = lambda, .reference_ms = model.ReferenceMs()},
        model.SmallestReachableMs());
  }
  static TwoPathSearcher NoneSearcher(Supernet& supernet) {
    return {supernet,
            nullptr,
            Objective({.kind = ObjectiveKind::kNone}, 0),
            {.seed = kSeed, .alpha_lr = kAlphaLr}};
  }
};

TEST_F(TwoPathSearcherTest, OnlyTheDrawnPairMovesAndNobodyElsesProbability) {
  const SearchSpace space = TinySpace({.blocks = 4, .candidates = kSixCandidates});
  const LatencyModel model(space, FakeLatencyTable(space));
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  TwoPathSearcher searcher(supernet, &model, AddLinear(model, 1),
                           {.seed = kSeed, .alpha_lr = kAlphaLr});
  int rested = 0;
  int zero_inactive = 0;
  for (std::uint64_t step = 0; step < 40; ++step) {
    const std::vector<GatePair> pairs = DrawnPairs(supernet, step);
    const std::vector<Floats> before = Alphas(supernet);
    searcher.ArchitectureStep(context(), RandomBatch(space, 8, step), step);
    const std::vector<Floats> after = Alphas(supernet);
    for (std::size_t g = 0; g < pairs.size(); ++g) {
      SCOPED_TRACE(StrCat("step ", step, " gate ", g));
      if (g > 0 && pairs[g].active == 6) {
        EXPECT_TRUE(SameBits(before[g], after[g])) << "Zero is active";
        ++rested;
        continue;
      }
      zero_inactive += g > 0 && pairs[g].inactive == 6;
      const std::vector<double> p_before = Softmax(before[g]);
      const std::vector<double> p_after = Softmax(after[g]);
      double pair_before = 0;
      double pair_after = 0;
      for (std::size_t k = 0; k < before[g].size(); ++k) {
        const int candidate = static_cast<int>(k);
        if (candidate == pairs[g].active || candidate == pairs[g].inactive) {
          EXPECT_NE(before[g][k], after[g][k]);
          pair_before += p_before[k];
          pair_after += p_after[k];
          continue;
        }
        EXPECT_EQ(before[g][k], after[g][k]) << "alpha " << k;
        // Rounding of the two shifted alphas, of size below 2, to f32.
        EXPECT_NEAR(p_after[k] / p_before[k], 1, 2 * std::numeric_limits<float>::epsilon());
      }
      EXPECT_NEAR(pair_before, pair_after, 2 * std::numeric_limits<float>::epsilon());
      const auto active = static_cast<std::size_t>(pairs[g].active);
      const auto inactive = static_cast<std::size_t>(pairs[g].inactive);
      EXPECT_LT((p_after[active] - p_before[active]) * (p_after[inactive] - p_before[inactive]), 0)
          << "what one gains the other loses";
    }
  }
  EXPECT_GT(rested, 3);
  EXPECT_GT(zero_inactive, 3);
}

// The step of the pair is the one that proxyless-g's gate gradients would give, restricted to it.
TEST_F(TwoPathSearcherTest, TheFirstStepFollowsTheGateGradientsOfThePair) {
  const SearchSpace space = TinySpace({.blocks = 3, .candidates = kSixCandidates, .zero = false});
  Supernet supernet(context(), space);
  supernet.Initialize(2);
  TwoPathSearcher searcher = NoneSearcher(supernet);
  const Batch batch = RandomBatch(space, 12);
  const std::vector<Floats> before = Alphas(supernet);
  const std::vector<GatePair> pairs = DrawnPairs(supernet, 0);
  Path active;
  for (const GatePair& pair : pairs) active.push_back(pair.active);
  std::vector<GateGradients> gates(3);
  RunArchitectureStep(context(), supernet, active, batch.images, batch.labels, gates);
  const ArchitectureStepResult result = searcher.ArchitectureStep(context(), batch, 0);
  EXPECT_EQ(result.loss, result.cross_entropy);
  EXPECT_EQ(result.images, 12);
  for (std::size_t g = 0; g < 3; ++g) {
    const auto a = static_cast<std::size_t>(pairs[g].active);
    const auto b = static_cast<std::size_t>(pairs[g].inactive);
    // Adam's first step has the length of the rate; rescaled, the two differ by twice that.
    const double towards_a = gates[g].values[b] > gates[g].values[a] ? 1 : -1;
    const Floats after = Alphas(supernet)[g];
    EXPECT_NEAR((after[a] - after[b]) - (before[g][a] - before[g][b]), towards_a * 2 * kAlphaLr,
                1e-4 * kAlphaLr)
        << "gate " << g;
  }
}

// A supernet whose weights are all zero has no gate gradients, which leaves the latency term alone.
TEST_F(TwoPathSearcherTest, WithLatencyAloneAlphasFollowTheClosedFormOfThePair) {
  const SearchSpace space =
      TinySpace({.blocks = 1, .candidates = {"3x3_MBConv3", "5x5_MBConv3", "7x7_MBConv3"}});
  const std::vector<double> row{0.5, 2, 1};
  const LatencyModel model(1, {row});
  Supernet supernet(context(), space);
  TwoPathSearcher searcher(supernet, &model, AddLinear(model, 0.4),
                           {.seed = kSeed, .alpha_lr = kAlphaLr});
  std::vector<double> alpha(3);
  std::vector<double> v(3);
  for (std::uint64_t step = 0; step < 30; ++step) {
    const GatePair pair = DrawnPairs(supernet, step)[0];
    const auto a = static_cast<std::size_t>(pair.active);
    const auto b = static_cast<std::size_t>(pair.inactive);
    const ArchitectureStepResult result =
        searcher.ArchitectureStep(context(), RandomBatch(space, 6), step);
    const double q_a = 1 / (1 + std::exp(alpha[b] - alpha[a]));
    EXPECT_NEAR(result.expected_latency_ms, 1 + q_a * row[a] + (1 - q_a) * row[b], 1e-5);
    const double sum = std::exp(alpha[a]) + std::exp(alpha[b]);
    const double slope = 0.4 / model.ReferenceMs() * q_a * (1 - q_a) * (row[a] - row[b]);
    for (double& moment : v) moment *= 0.999;
    for (const std::size_t k : {a, b}) {
      v[k] += 0.001 * slope * slope;
      const double v_hat = v[k] / (1 - std::pow(0.999, static_cast<double>(step + 1)));
      alpha[k] -= kAlphaLr * (k == a ? slope : -slope) / (std::sqrt(v_hat) + 1e-8);
    }
    const double offset = std::log((std::exp(alpha[a]) + std::exp(alpha[b])) / sum);
    alpha[a] -= offset;
    alpha[b] -= offset;
    double full_ms = 1;
    const std::vector<double> p = supernet.gates()[0].Probabilities();
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_NEAR(supernet.gates()[0].alpha()[k], alpha[k], 1e-5) << "step " << step;
      full_ms += p[k] * row[k];
    }
    EXPECT_NEAR(searcher.ExpectedLatencyMs(), full_ms, 1e-12) << "of all candidates";
  }
  EXPECT_EQ(searcher.WeightPath(0).has_value(), true);
}

TEST_F(TwoPathSearcherTest, WithLatencyAloneTheCheapestWins) {
  const SearchSpace space = TinySpace({.blocks = 3, .candidates = kSixCandidates, .zero = false});
  const LatencyModel model(space, FakeLatencyTable(space));
  Supernet supernet(context(), space);
  TwoPathSearcher searcher(supernet, &model, AddLinear(model, 0.1),
                           {.seed = kSeed, .alpha_lr = 0.1});
  const Batch batch = RandomBatch(space, 3);
  for (std::uint64_t step = 0; step < 200; ++step) {
    searcher.ArchitectureStep(context(), batch, step);
  }
  EXPECT_EQ(model.PathMs(supernet.BestPath()), model.SmallestReachableMs());
}

TEST_F(TwoPathSearcherTest, TiedBlocksShareThePair) {
  const SearchSpace space = TinySpace(
      {.stem_channels = 8, .blocks = 3, .stride = 1, .candidates = kSixCandidates, .share = true});
  Supernet supernet(context(), space);
  supernet.Initialize(2);
  TwoPathSearcher searcher = NoneSearcher(supernet);
  for (std::uint64_t step = 0; step < 8; ++step) {
    const GatePair pair = DrawnPairs(supernet, step)[0];
    const Floats before = Alphas(supernet)[0];
    searcher.ArchitectureStep(context(), RandomBatch(space, 8, step), step);
    for (int k = 0; k < 7; ++k) {
      const bool moves = pair.active != 6 && (k == pair.active || k == pair.inactive);
      EXPECT_EQ(
          before[static_cast<std::size_t>(k)] != Alphas(supernet)[0][static_cast<std::size_t>(k)],
          moves)
          << "step " << step << " alpha " << k;
    }
  }
}

TEST_F(TwoPathSearcherTest, WeightPathsAreThoseOfProxylessG) {
  const SearchSpace space = TinySpace({.blocks = 6, .candidates = kSixCandidates});
  Supernet supernet(context(), space);
  const TwoPathSearcher searcher = NoneSearcher(supernet);
  const GradientSearcher one_path(supernet, nullptr, Objective({.kind = ObjectiveKind::kNone}, 0),
                                  {.seed = kSeed, .alpha_lr = kAlphaLr});
  for (std::uint64_t step = 0; step < 5; ++step) {
    EXPECT_EQ(searcher.WeightPath(step), one_path.WeightPath(step));
  }
}

TEST_F(TwoPathSearcherTest, AnObjectiveWithLatencyNeedsATable) {
  const SearchSpace space = TinySpace();
  Supernet supernet(context(), space);
  const Objective objective({.kind = ObjectiveKind::kAddLinear, .reference_ms = 1}, 1);
  EXPECT_THROW(TwoPathSearcher(supernet, nullptr, objective, {}), Error);
}

}  // namespace
}  // namespace nasengine
