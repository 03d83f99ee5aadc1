// SPDX-License-Identifier: MIT
#include "nas/search/reward.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

// Worked out by hand from top1 * (80 / LAT) ^ 0.1.
TEST(RewardTest, MulLogIsThePublishedReward) {
  const Reward reward({.kind = ObjectiveKind::kMulLog, .reference_ms = 80});
  EXPECT_NEAR(reward.Evaluate(0.60, 100), 0.586760, 5e-7);
  EXPECT_NEAR(reward.Evaluate(0.75, 60), 0.771890, 5e-7);
  EXPECT_EQ(reward.Evaluate(0.70, 80), 0.70);
}

TEST(RewardTest, MulLogHasNoSmallestReference) {
  const Reward reward({.kind = ObjectiveKind::kMulLog, .reference_ms = 0.08});
  EXPECT_NEAR(reward.Evaluate(0.60, 0.100), 0.586760, 5e-7) << "only the ratio counts";
}

TEST(RewardTest, TheExponentWeighsLatency) {
  const Reward none({.latency_exponent = 0, .reference_ms = 80});
  EXPECT_EQ(none.Evaluate(0.5, 1000), 0.5);
  const Reward all({.latency_exponent = 1, .reference_ms = 80});
  EXPECT_DOUBLE_EQ(all.Evaluate(0.5, 40), 1.0);
}

TEST(RewardTest, AddLinearTakesTheRelativeExcessOff) {
  const Reward reward({.kind = ObjectiveKind::kAddLinear, .lambda = 0.2, .reference_ms = 80});
  EXPECT_DOUBLE_EQ(reward.Evaluate(0.5, 100), 0.5 - 0.2 * 0.25);
  EXPECT_DOUBLE_EQ(reward.Evaluate(0.5, 60), 0.5 + 0.2 * 0.25);
}

TEST(RewardTest, NoneIsTheAccuracy) {
  const Reward reward({.kind = ObjectiveKind::kNone});
  EXPECT_EQ(reward.Evaluate(0.25, 0), 0.25);
}

TEST(RewardTest, RefusesLatenciesThatAreNone) {
  EXPECT_THROW(Reward({.kind = ObjectiveKind::kMulLog}), Error);
  EXPECT_THROW(Reward({.kind = ObjectiveKind::kAddLinear, .reference_ms = -1}), Error);
  EXPECT_THROW(Reward({.reference_ms = 80}).Evaluate(0.5, 0), Error);
}

}  // namespace
}  // namespace nasengine
