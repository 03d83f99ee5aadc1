// Slopes and means against the textbook.
// SPDX-License-Identifier: MIT
#include "nas/search/trend.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/rng.h"

namespace nasengine {
namespace {

TEST(TrendTest, AgreesWithTheTextbook) {
  // 3, 1, 2, 0, 1 over 0..4: slope -0.5, residuals 0.6 -0.9 0.6 -0.9 0.6.
  Trend trend;
  for (const double y : {3, 1, 2, 0, 1}) trend.Add(y);
  EXPECT_EQ(trend.count(), 5);
  EXPECT_NEAR(trend.mean(), 1.4, 1e-15);
  const double residual = 3 * 0.36 + 2 * 0.81;
  EXPECT_NEAR(trend.Significance(), -0.5 / std::sqrt(residual / 3 / 10), 1e-12);
}

TEST(TrendTest, HasNoOpinionWithoutPointsAndACertainOneOnALine) {
  Trend trend;
  trend.Add(1);
  trend.Add(0);
  EXPECT_EQ(trend.Significance(), 0);
  trend.Add(-1);
  EXPECT_LT(trend.Significance(), -1e6);
  Trend level;
  for (int i = 0; i < 5; ++i) level.Add(2);
  EXPECT_EQ(level.Significance(), 0);
}

TEST(TrendTest, StaysExactOverLongSearches) {
  // Far from 0, a slope of 1e-6 a point among noise of one.
  Trend trend;
  const Rng rng(1, RngPurpose::kTest);
  const int points = 100000;
  for (int i = 0; i < points; ++i) trend.Add(1e6 - 1e-4 * i + rng.Normal(0, i));
  const double expected = -1e-4 * std::sqrt(std::pow(points, 3) / 12);
  EXPECT_NEAR(trend.Significance(), expected, 0.02 * std::abs(expected) + 5);
}

TEST(RecentMeanTest, ForgetsWhatIsOlderThanItsPoints) {
  RecentMean recent(9);  // weight 1/5
  for (const double y : {1, 2, 3}) recent.Add(y);
  EXPECT_NEAR(recent.mean(), 2, 1e-15) << "the plain mean of the first ones";
  for (int i = 0; i < 6; ++i) recent.Add(2);
  recent.Add(7);
  EXPECT_NEAR(recent.mean(), 3, 1e-15);
  for (int i = 0; i < 18; ++i) recent.Add(0);
  EXPECT_LT(recent.mean(), 0.06);
}

}  // namespace
}  // namespace nasengine
