// Paths between two latencies: every one of them, equally often, and found in deep spaces.
// SPDX-License-Identifier: MIT
#include "nas/search/path_sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "kernels/core/error.h"
#include "nas/space/space_file.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/tiny_space.h"

namespace nasengine {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

class PathSamplerTest : public testing::Test {
 protected:
  // The paths of three blocks between the limits.
  std::map<Path, int> PathsBetween(double low_ms, double high_ms) const {
    std::map<Path, int> paths;
    for (int a = 0; a < 6; ++a) {
      for (int b = 0; b < 7; ++b) {
        for (int c = 0; c < 7; ++c) {
          const double ms = model_.PathMs(Path{a, b, c});
          if (ms >= low_ms && ms <= high_ms) paths[{a, b, c}] = 0;
        }
      }
    }
    return paths;
  }

  // Chi-squared against equal counts, in deviations from its mean.
  double Unevenness(double low_ms, double high_ms) const {
    std::map<Path, int> counts = PathsBetween(low_ms, high_ms);
    const PathSampler sampler(space_, model_, low_ms, high_ms);
    const Rng rng(1, RngPurpose::kGates);
    int drawn = 0;
    for (std::uint64_t step = 0; step < 400000; ++step) {
      const std::optional<Path> path = sampler.Draw(rng, step);
      if (!path) continue;
      EXPECT_TRUE(counts.contains(*path));
      ++counts[*path];
      ++drawn;
    }
    const double expected = static_cast<double>(drawn) / static_cast<double>(counts.size());
    EXPECT_GT(expected, 100);
    double chi_squared = 0;
    for (const auto& [path, count] : counts) {
      chi_squared += (count - expected) * (count - expected) / expected;
    }
    const double freedom = static_cast<double>(counts.size()) - 1;
    return (chi_squared - freedom) / std::sqrt(2 * freedom);
  }

  const SearchSpace space_ = TinySpace({.blocks = 3, .candidates = kSixCandidates});
  const LatencyModel model_{space_, FakeLatencyTable(space_)};
};

TEST_F(PathSamplerTest, EveryPathBetweenTheLimitsIsEquallyLikely) {
  const double least = model_.SmallestReachableMs();
  const double most = model_.LargestReachableMs();
  const double even = model_.UniformExpectedMs();
  EXPECT_LT(std::abs(Unevenness(-kNone, kNone)), 4);
  EXPECT_LT(std::abs(Unevenness(-kNone, least + 0.5 * (even - least))), 4);
  EXPECT_LT(std::abs(Unevenness(even + 0.5 * (most - even), kNone)), 4);
  EXPECT_LT(std::abs(Unevenness(0.9 * even, 1.1 * even)), 4);
  EXPECT_LT(std::abs(Unevenness(least + 0.3 * (even - least), least + 0.5 * (even - least))), 4);
  EXPECT_LT(std::abs(Unevenness(most - 0.5 * (most - even), most - 0.3 * (most - even))), 4);
}

TEST_F(PathSamplerTest, TiedBlocksTakeOneCandidate) {
  const SearchSpace tied =
      TinySpace({.blocks = 4, .candidates = kSixCandidates, .zero = false, .share = true});
  const LatencyModel model(tied, FakeLatencyTable(tied));
  const PathSampler sampler(tied, model, -kNone, model.SmallestReachableMs() * (1 + 1e-12));
  const Rng rng(1, RngPurpose::kGates);
  std::optional<Path> found;
  for (std::uint64_t step = 0; step < 100 && !found; ++step) found = sampler.Draw(rng, step);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(*found, Path(4, found->front()));
}

TEST_F(PathSamplerTest, TheOnlyPathIsFound) {
  const Rng rng(1, RngPurpose::kGates);
  const auto draws_until_found = [&](double low_ms, double high_ms) {
    const PathSampler sampler(space_, model_, low_ms, high_ms);
    int draws = 0;
    while (draws < 1000 && !sampler.Draw(rng, static_cast<std::uint64_t>(draws))) ++draws;
    return draws;
  };
  const double least = model_.SmallestReachableMs();
  const double most = model_.LargestReachableMs();
  EXPECT_LT(draws_until_found(-kNone, 1.0001 * least), 100);
  EXPECT_LT(draws_until_found(-kNone, least), 100);
  EXPECT_LT(draws_until_found(0.9999 * most, kNone), 100);
  EXPECT_EQ(draws_until_found(-kNone, 0.99 * least), 1000);
  EXPECT_THROW(PathSampler(space_, model_, 2, 1), Error);
}

TEST_F(PathSamplerTest, DeepSpacesAreSampledAtTheirReference) {
  const SearchSpace deep = LoadSpace("cifar");
  const LatencyModel model(deep, FakeLatencyTable(deep));
  const PathSampler sampler(deep, model, -kNone, model.ReferenceMs());
  const Rng rng(1, RngPurpose::kGates);
  int found = 0;
  for (std::uint64_t step = 0; step < 2000; ++step) found += sampler.Draw(rng, step) ? 1 : 0;
  EXPECT_GT(found, 40);
}

}  // namespace
}  // namespace nasengine
