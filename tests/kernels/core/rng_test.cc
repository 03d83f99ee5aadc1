// Random streams: published answers, ranges, and distributions within computed bounds.
// SPDX-License-Identifier: MIT
#include "kernels/core/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Known answers of philox4x32 with 10 rounds, published with Random123.
TEST(RngTest, MatchesThePublishedVectors) {
  EXPECT_EQ(Rng(0, RngPurpose{0}).Bits(0, 0),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Rng(0xffffffff, RngPurpose{0xffffffff}).Bits(~0ULL, ~0ULL),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(
      Rng(0xa4093822, RngPurpose{0x299f31d0}).Bits(0x85a308d3243f6a88ULL, 0x0370734413198a2eULL),
      (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RngTest, EveryCoordinateMatters) {
  const std::set<Words> words = {
      Rng(1, RngPurpose::kGates).Bits(1, 1),         Rng(2, RngPurpose::kGates).Bits(1, 1),
      Rng(1, RngPurpose::kOrder).Bits(1, 1),         Rng(1, RngPurpose::kGates).Bits(2, 1),
      Rng(1, RngPurpose::kGates).Bits(1, 2),         Rng(1, RngPurpose::kGates).Bits(1ULL << 32, 1),
      Rng(1, RngPurpose::kGates).Bits(1, 1ULL << 32)};
  EXPECT_EQ(words.size(), 7U);
}

TEST(RngTest, UniformIsTheTopOfTheFirstWord) {
  const Rng rng(3, RngPurpose::kTest);
  constexpr int kSamples = 20000;
  double sum = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const float value = rng.Uniform(9, i);
    ASSERT_EQ(static_cast<double>(value), (rng.Bits(9, i)[0] >> 8) / 16777216.0);
    ASSERT_GE(value, 0.0F);
    ASSERT_LT(value, 1.0F);
    sum += value;
  }
  // Five standard errors of a mean whose variance is 1/12.
  EXPECT_NEAR(sum / kSamples, 0.5, 5 * std::sqrt(1.0 / 12 / kSamples));
}

TEST(RngTest, NormalHasUnitMoments) {
  const Rng rng(4, RngPurpose::kWeights);
  constexpr int kSamples = 50000;
  double sum = 0;
  double squares = 0;
  double fourths = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const double value = rng.Normal(0, i);
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
    fourths += value * value * value * value;
  }
  // Five standard errors; the variances of x, x^2 and x^4 are 1, 2 and 96.
  EXPECT_NEAR(sum / kSamples, 0, 5 * std::sqrt(1.0 / kSamples));
  EXPECT_NEAR(squares / kSamples, 1, 5 * std::sqrt(2.0 / kSamples));
  EXPECT_NEAR(fourths / kSamples, 3, 5 * std::sqrt(96.0 / kSamples));
}

TEST(RngTest, BelowIsUniform) {
  const Rng rng(5, RngPurpose::kTest);
  constexpr int kSamples = 30000;
  std::array<int, 6> counts{};
  for (std::uint64_t i = 0; i < kSamples; ++i) ++counts.at(rng.Below(6, 0, i));
  const double sigma = std::sqrt(kSamples * (1.0 / 6) * (5.0 / 6));
  for (const int count : counts) EXPECT_NEAR(count, kSamples / 6.0, 5 * sigma);
  EXPECT_EQ(rng.Below(1, 0, 0), 0U);
  EXPECT_THROW(rng.Below(0, 0, 0), Error);
}

TEST(RngTest, PermutationHoldsEachIndexOnce) {
  const Rng rng(6, RngPurpose::kOrder);
  const auto order = rng.Permutation(1000, 3);
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int32_t> expected(1000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(sorted, expected);
  EXPECT_NE(order, expected);
  EXPECT_EQ(order, rng.Permutation(1000, 3));
  EXPECT_NE(order, rng.Permutation(1000, 4));
  EXPECT_TRUE(rng.Permutation(0, 0).empty());
  EXPECT_EQ(rng.Permutation(1, 0), std::vector<std::int32_t>{0});
  EXPECT_THROW(rng.Permutation(-1, 0), Error);
}

TEST(RngTest, PermutationsOfThreeAreEquallyLikely) {
  const Rng rng(7, RngPurpose::kOrder);
  constexpr int kSamples = 12000;
  std::array<int, 27> counts{};
  for (std::uint64_t step = 0; step < kSamples; ++step) {
    const auto order = rng.Permutation(3, step);
    ++counts.at(static_cast<std::size_t>(order[0] * 9 + order[1] * 3 + order[2]));
  }
  const double sigma = std::sqrt(kSamples * (1.0 / 6) * (5.0 / 6));
  int seen = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    ++seen;
    EXPECT_NEAR(count, kSamples / 6.0, 5 * sigma);
  }
  EXPECT_EQ(seen, 6);
}

TEST(RngTest, CategoricalFollowsItsProbabilities) {
  const Rng rng(8, RngPurpose::kGates);
  const std::vector<double> probabilities = {0.0, 0.1, 0.6, 0.3, 0.0};
  constexpr int kSamples = 20000;
  std::array<int, 5> counts{};
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    ++counts.at(static_cast<std::size_t>(rng.Categorical(probabilities, i, 2)));
  }
  for (std::size_t k = 0; k < probabilities.size(); ++k) {
    const double p = probabilities[k];
    EXPECT_NEAR(counts[k], kSamples * p, 5 * std::sqrt(kSamples * p * (1 - p))) << k;
  }
}

TEST(RngTest, CategoricalStaysAmongThePossible) {
  const Rng rng(9, RngPurpose::kGates);
  // A sum well below 1 exaggerates the rounding that a softmax may leave.
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(rng.Categorical({0, 1e-9, 0}, i, 0), 1);
  EXPECT_THROW(rng.Categorical({}, 0, 0), Error);
  EXPECT_THROW(rng.Categorical({0, 0}, 0, 0), Error);
}

}  // namespace
}  // namespace nasengine
