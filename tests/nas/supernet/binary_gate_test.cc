// Gates against values worked out by hand and against each other.
// SPDX-License-Identifier: MIT
#include "nas/supernet/binary_gate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

BinaryGate GateOf(const std::vector<float>& alpha) {
  BinaryGate gate(static_cast<int>(alpha.size()));
  std::copy(alpha.begin(), alpha.end(), gate.alpha().begin());
  return gate;
}

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST(BinaryGateTest, SoftmaxAndAlphaGradientOfTheWorkedExample) {
  const std::vector<double> p = Softmax(std::vector<float>{1, 0, -1});
  const std::vector<double> expected_p{0.665241, 0.244728, 0.090031};
  const std::vector<double> gradient = AlphaGradient(p, std::vector<double>{0.6, -0.3, 0.9});
  const std::vector<double> expected_gradient{0.128555, -0.172963, 0.044407};
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_NEAR(p[i], expected_p[i], 5e-7);
    EXPECT_NEAR(gradient[i], expected_gradient[i], 1e-6);
  }
  EXPECT_NEAR(Sum(gradient), 0, 1e-15);
}

TEST(BinaryGateTest, AlphaGradientIsTheSoftmaxJacobianTimesTheGateGradients) {
  const std::vector<float> alpha{0.3f, -1.2f, 2.0f, 0.0f, 0.7f};
  const std::vector<double> gates{1.5, -2.0, 0.25, 0.0, -0.75};
  const std::vector<double> gradient = AlphaGradient(Softmax(alpha), gates);
  // d/d alpha_i of sum_j gates_j p_j(alpha) by central differences.
  for (std::size_t i = 0; i < alpha.size(); ++i) {
    const auto value = [&](float step) {
      std::vector<float> moved = alpha;
      moved[i] += step;
      const std::vector<double> p = Softmax(moved);
      return std::inner_product(p.begin(), p.end(), gates.begin(), 0.0);
    };
    // A power of two, so that alpha + step is exact to a few units of f32 rounding.
    const float step = 1.0f / 1024;
    EXPECT_NEAR(gradient[i], (value(step) - value(-step)) / (2 * step), 1e-6) << i;
  }
  EXPECT_NEAR(Sum(gradient), 0, 1e-15);
}

TEST(BinaryGateTest, ShiftingEveryAlphaChangesNothing) {
  const std::vector<double> gates{0.5, -1, 0.125};
  const BinaryGate gate = GateOf({0.5f, -0.25f, 1.25f});
  const BinaryGate shifted = GateOf({8.5f, 7.75f, 9.25f});
  EXPECT_EQ(gate.Probabilities(), shifted.Probabilities());
  EXPECT_EQ(gate.Entropy(), shifted.Entropy());
  EXPECT_EQ(gate.Best(), shifted.Best());
  EXPECT_EQ(AlphaGradient(gate.Probabilities(), gates),
            AlphaGradient(shifted.Probabilities(), gates));
}

TEST(BinaryGateTest, LargeAlphasNeitherOverflowNorVanish) {
  const std::vector<double> p = Softmax(std::vector<float>{1000, 999, -1000});
  EXPECT_NEAR(p[0], 1 / (1 + std::exp(-1.0)), 1e-12);
  EXPECT_NEAR(Sum(p), 1, 1e-12);
  EXPECT_TRUE(std::isfinite(GateOf({1000, 999, -1000}).Entropy()));
}

TEST(BinaryGateTest, EntropyAtTheStartOfTheImageNetSpace) {
  const Rng rng(0, RngPurpose::kAlpha);
  double sum = 0;
  for (int block = 0; block < 21; ++block) {
    BinaryGate gate(block < 6 ? 6 : 7);
    EXPECT_NEAR(gate.Entropy(), std::log(gate.candidates()), 1e-12);
    gate.Initialize(rng, block, AlphaInit::kNormal, 1e-3);
    sum += gate.Entropy();
  }
  EXPECT_NEAR(sum / 21, 1.901867, 1e-5);
}

TEST(BinaryGateTest, InitialAlphasMayBeUniform) {
  const Rng rng(3, RngPurpose::kAlpha);
  double squares = 0;
  double largest = 0;
  constexpr int kBlocks = 400;
  for (int block = 0; block < kBlocks; ++block) {
    BinaryGate gate(6);
    gate.Initialize(rng, block, AlphaInit::kUniform, 0.5);
    for (const float a : gate.alpha()) {
      squares += static_cast<double>(a) * a;
      largest = std::max(largest, std::abs(static_cast<double>(a)));
    }
  }
  // The mean square of even numbers in +-b is b^2 / 3, that of their squares b^4 / 5.
  const double n = kBlocks * 6;
  EXPECT_NEAR(squares / n, 0.25 / 3, 5 * 0.25 * std::sqrt((1.0 / 5 - 1.0 / 9) / n));
  EXPECT_LE(largest, 0.5);
  EXPECT_GT(largest, 0.49);
}

TEST(BinaryGateTest, InitialAlphasAreNormalAndOfTheirOwnInEveryBlock) {
  const Rng rng(3, RngPurpose::kAlpha);
  double sum = 0;
  double squares = 0;
  std::vector<float> seen;
  constexpr int kBlocks = 400;
  constexpr int kCandidates = 6;
  for (int block = 0; block < kBlocks; ++block) {
    BinaryGate gate(kCandidates);
    gate.Initialize(rng, block, AlphaInit::kNormal, 0.5);
    for (const float a : gate.alpha()) {
      sum += a;
      squares += static_cast<double>(a) * a;
      seen.push_back(a);
    }
  }
  const double n = kBlocks * kCandidates;
  // Five standard errors of a mean and of a variance.
  EXPECT_NEAR(sum / n, 0, 5 * 0.5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 0.25, 5 * 0.25 * std::sqrt(2 / n));
  std::ranges::sort(seen);
  EXPECT_LE(seen.end() - std::unique(seen.begin(), seen.end()), 5) << "blocks repeat each other";
}

TEST(BinaryGateTest, SamplesByFrequency) {
  const BinaryGate gate = GateOf({1, 0, -1, -30});
  const std::vector<double> p = gate.Probabilities();
  const Rng rng(5, RngPurpose::kGates);
  constexpr int kDraws = 40000;
  for (int block = 0; block < 2; ++block) {
    std::vector<int> drawn(4);
    for (int step = 0; step < kDraws; ++step) {
      ++drawn[static_cast<std::size_t>(gate.Sample(rng, static_cast<std::uint64_t>(step), block))];
    }
    for (std::size_t k = 0; k < p.size(); ++k) {
      // Five standard deviations of a binomial count.
      const double tolerance = 5 * std::sqrt(kDraws * p[k] * (1 - p[k])) + 1e-3;
      EXPECT_NEAR(drawn[k], kDraws * p[k], tolerance) << "block " << block << " candidate " << k;
    }
  }
}

TEST(BinaryGateTest, SamplesPairsByFrequency) {
  const BinaryGate gate = GateOf({1, 0, -1});
  const std::vector<double> p = gate.Probabilities();
  const Rng rng(5, RngPurpose::kGates);
  constexpr int kDraws = 40000;
  std::vector<std::vector<int>> drawn(3, std::vector<int>(3));  // by active and inactive
  for (std::uint64_t step = 0; step < kDraws; ++step) {
    const GatePair pair = gate.SamplePair(rng, step, 1);
    ASSERT_NE(pair.active, pair.inactive);
    ++drawn[static_cast<std::size_t>(pair.active)][static_cast<std::size_t>(pair.inactive)];
  }
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t b = 0; b < 3; ++b) {
      if (a == b) continue;
      // Either of the two may have been drawn first; then a is active with p_a / (p_a + p_b).
      const double together = p[a] * p[b] / (1 - p[a]) + p[b] * p[a] / (1 - p[b]);
      const double expected = together * p[a] / (p[a] + p[b]);
      const double tolerance = 5 * std::sqrt(kDraws * expected * (1 - expected));
      EXPECT_NEAR(drawn[a][b], kDraws * expected, tolerance) << a << " beside " << b;
    }
  }
}

TEST(BinaryGateTest, APairIsFoundWhereAllButOneProbabilityVanishes) {
  const BinaryGate gate = GateOf({-3000, 1000, -2000});
  const Rng rng(5, RngPurpose::kGates);
  for (std::uint64_t step = 0; step < 50; ++step) {
    const GatePair pair = gate.SamplePair(rng, step, 0);
    EXPECT_EQ(pair.active, 1);
    EXPECT_EQ(pair.inactive, 2);
  }
  EXPECT_THROW(GateOf({0}).SamplePair(rng, 0, 0), Error);
}

TEST(BinaryGateTest, PairProbabilitiesAreTheSoftmaxOfTwo) {
  const std::vector<double> q = GateOf({1, 7, 0, -2}).PairProbabilities({2, 0});
  EXPECT_EQ(q[1], 0);
  EXPECT_EQ(q[3], 0);
  EXPECT_NEAR(q[0], 1 / (1 + std::exp(-1.0)), 1e-15);
  EXPECT_NEAR(q[2], 1 / (1 + std::exp(1.0)), 1e-15);
  EXPECT_EQ(q, GateOf({9, 0, 8, 7}).PairProbabilities({0, 2})) << "shifted, the others elsewhere";
  // Gradients restricted to the pair are opposite to each other.
  const std::vector<double> gradient = AlphaGradient(q, std::vector<double>{0.6, 5, -0.3, 9});
  EXPECT_EQ(gradient[1], 0);
  EXPECT_EQ(gradient[3], 0);
  EXPECT_NEAR(gradient[0], q[0] * q[2] * 0.9, 1e-15);
  EXPECT_NEAR(gradient[0] + gradient[2], 0, 1e-16);
}

TEST(BinaryGateTest, RescalingOfTheWorkedExample) {
  BinaryGate gate = GateOf({std::log(2.0f), 0, 5});
  gate.RescalePair({0, 1}, std::vector<float>{0, 0, 5});
  EXPECT_NEAR(gate.alpha()[0], 0.287682, 1e-6);
  EXPECT_NEAR(gate.alpha()[1], -0.405465, 1e-6);
  EXPECT_EQ(gate.alpha()[2], 5);
  EXPECT_NEAR(std::exp(gate.alpha()[0]), 4.0 / 3, 1e-6);
  EXPECT_NEAR(std::exp(gate.alpha()[1]), 2.0 / 3, 1e-6);
}

TEST(BinaryGateTest, RescalingKeepsTheProbabilitiesOfTheOthers) {
  for (const float base : {0.0f, 90.0f, -2000.0f}) {
    const std::vector<float> before{base + 0.5f, base - 1, base + 1.5f, base};
    BinaryGate gate = GateOf(before);
    gate.alpha()[1] += 0.75f;
    gate.alpha()[2] -= 0.25f;
    gate.RescalePair({2, 1}, before);
    const std::vector<double> p = gate.Probabilities();
    const std::vector<double> p_before = Softmax(before);
    // An alpha of size |base| is rounded to f32, half a unit in its last place, and so is each of
    // the two that were shifted.
    const double rounding = std::numeric_limits<float>::epsilon() * (std::abs(base) + 2);
    for (const std::size_t k : {std::size_t{0}, std::size_t{3}}) {
      EXPECT_EQ(gate.alpha()[k], before[k]);
      EXPECT_NEAR(p[k] / p_before[k], 1, rounding) << "base " << base << " candidate " << k;
    }
    EXPECT_GT(p[1], 1.5 * p_before[1]);
    EXPECT_LT(p[2], p_before[2]);
  }
}

TEST(BinaryGateTest, RescalingWhatDidNotMoveMovesNothing) {
  const std::vector<float> alpha{0.1f, -0.7f, 3.3f};
  BinaryGate gate = GateOf(alpha);
  gate.RescalePair({2, 0}, alpha);
  EXPECT_TRUE(std::ranges::equal(gate.alpha(), alpha));
}

TEST(BinaryGateTest, ADrawIsAFunctionOfSeedStepAndBlock) {
  const BinaryGate gate(7);
  const Rng rng(1, RngPurpose::kGates);
  const Rng other(2, RngPurpose::kGates);
  int same_seed_differs = 0;
  int seed_agrees = 0;
  int block_agrees = 0;
  constexpr int kDraws = 2000;
  for (std::uint64_t step = 0; step < kDraws; ++step) {
    const int drawn = gate.Sample(rng, step, 0);
    same_seed_differs += gate.Sample(Rng(1, RngPurpose::kGates), step, 0) != drawn;
    seed_agrees += gate.Sample(other, step, 0) == drawn;
    block_agrees += gate.Sample(rng, step, 1) == drawn;
  }
  EXPECT_EQ(same_seed_differs, 0);
  // Independent draws of seven agree in one of seven.
  const double tolerance = 5 * std::sqrt(kDraws * (1.0 / 7) * (6.0 / 7));
  EXPECT_NEAR(seed_agrees, kDraws / 7.0, tolerance);
  EXPECT_NEAR(block_agrees, kDraws / 7.0, tolerance);
}

TEST(BinaryGateTest, BestIsTheLargestAndTheFirstOfEquals) {
  EXPECT_EQ(GateOf({0, 2, 1}).Best(), 1);
  EXPECT_EQ(GateOf({0, 2, 2}).Best(), 1);
  EXPECT_EQ(GateOf({0, 0, 0}).Best(), 0);
}

TEST(BinaryGateTest, AlphaGradientRefusesOtherSizes) {
  EXPECT_THROW(AlphaGradient(std::vector<double>{0.5, 0.5}, std::vector<double>{1}), Error);
}

}  // namespace
}  // namespace nasengine
