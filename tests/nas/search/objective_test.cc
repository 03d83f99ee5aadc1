// Objectives against their formulas, their slopes against finite differences, and what is refused.
// SPDX-License-Identifier: MIT
#include "nas/search/objective.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

void ExpectSlopes(const Objective& objective, double ce, double ms) {
  const ObjectiveValue value = objective.Evaluate(ce, ms);
  const double step = 1e-5;
  const auto loss = [&](double a, double b) { return objective.Evaluate(a, b).loss; };
  EXPECT_NEAR(value.d_cross_entropy, (loss(ce + step, ms) - loss(ce - step, ms)) / (2 * step),
              1e-8);
  EXPECT_NEAR(value.d_latency, (loss(ce, ms + step) - loss(ce, ms - step)) / (2 * step), 1e-8);
}

TEST(ObjectiveTest, AddLinear) {
  const Objective objective({.kind = ObjectiveKind::kAddLinear, .lambda = 0.3, .reference_ms = 0.8},
                            0.2);
  const ObjectiveValue value = objective.Evaluate(1.5, 1.0);
  EXPECT_NEAR(value.loss, 1.5 + 0.3 * 0.2 / 0.8, 1e-12);
  EXPECT_NEAR(value.d_latency, 0.3 / 0.8, 1e-12);
  EXPECT_EQ(value.d_cross_entropy, 1);
  EXPECT_EQ(objective.Evaluate(1.5, 0.8).loss, 1.5) << "at the reference";
  ExpectSlopes(objective, 1.5, 1.0);
  ExpectSlopes(objective, 0.1, 0.3);
}

TEST(ObjectiveTest, MulLog) {
  const Objective objective({.kind = ObjectiveKind::kMulLog, .reference_ms = 80}, 29.6);
  const double factor = 0.2 * std::pow(std::log(100.0) / std::log(80.0), 0.3);
  const ObjectiveValue value = objective.Evaluate(2.0, 100);
  EXPECT_NEAR(value.loss, 2.0 * factor, 1e-12);
  EXPECT_NEAR(value.d_cross_entropy, factor, 1e-12);
  EXPECT_NEAR(objective.Evaluate(2.0, 80).loss, 0.4, 1e-12) << "at the reference";
  EXPECT_GT(value.d_latency, 0);
  ExpectSlopes(objective, 2.0, 100);
  ExpectSlopes(objective, 0.7, 35);
}

TEST(ObjectiveTest, NoneIsTheCrossEntropy) {
  const Objective objective({.kind = ObjectiveKind::kNone}, 0);
  const ObjectiveValue value = objective.Evaluate(1.25, 7);
  EXPECT_EQ(value.loss, 1.25);
  EXPECT_EQ(value.d_cross_entropy, 1);
  EXPECT_EQ(value.d_latency, 0);
}

std::string Refusal(const ObjectiveConfig& config, double smallest_ms) {
  try {
    const Objective objective(config, smallest_ms);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

TEST(ObjectiveTest, MulLogIsRefusedBelowOneMillisecondNamingBothValues) {
  const auto mul_log = [](double reference_ms) {
    return ObjectiveConfig{.kind = ObjectiveKind::kMulLog, .reference_ms = reference_ms};
  };
  for (const auto& [smallest_ms, reference_ms] :
       {std::pair{0.25, 2.5}, std::pair{1.5, 0.75}, std::pair{1.0, 2.5}, std::pair{1.5, 1.0}}) {
    const std::string message = Refusal(mul_log(reference_ms), smallest_ms);
    EXPECT_NE(message.find(StrCat(smallest_ms)), std::string::npos) << message;
    EXPECT_NE(message.find(StrCat(reference_ms)), std::string::npos) << message;
    EXPECT_NE(message.find("mul-log"), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  EXPECT_EQ(Refusal(mul_log(2.5), 1.5), "");
}

TEST(ObjectiveTest, AReferenceMustBePositive) {
  EXPECT_NE(Refusal({.kind = ObjectiveKind::kAddLinear, .reference_ms = 0}, 1), "");
  EXPECT_NE(Refusal({.kind = ObjectiveKind::kAddLinear, .reference_ms = std::nan("")}, 1), "");
  EXPECT_EQ(Refusal({.kind = ObjectiveKind::kNone, .reference_ms = 0}, 0), "");
}

TEST(ObjectiveTest, NamesAndTheirParsing) {
  for (const ObjectiveKind kind :
       {ObjectiveKind::kAddLinear, ObjectiveKind::kMulLog, ObjectiveKind::kNone}) {
    EXPECT_EQ(ParseObjective(Name(kind)), kind);
  }
  EXPECT_EQ(Name(ObjectiveKind::kAddLinear), "add-linear");
  EXPECT_THROW(ParseObjective("Add-Linear"), Error);
  EXPECT_THROW(ParseObjective(""), Error);
}

}  // namespace
}  // namespace nasengine
