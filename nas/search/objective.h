// What an architecture step minimises: cross-entropy and expected latency in one number, and how
// much each of the two moves it.
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "nas/space/cost_unit.h"

namespace nasengine {

enum class ObjectiveKind {
  kAddLinear,  // CE + lambda * (E - R) / R
  kMulLog,     // a * CE * (ln E / ln R)^b
  kNone,       // CE
};
// "add-linear", "mul-log", "none".
std::string_view Name(ObjectiveKind kind);
// Throws kInvalidArgument with the list of names.
ObjectiveKind ParseObjective(std::string_view text);

struct ObjectiveConfig {
  ObjectiveKind kind = ObjectiveKind::kAddLinear;
  double lambda = 0.1;     // of add-linear
  double mul_log_a = 0.2;  // a and b of mul-log, as the official search script sets them
  double mul_log_b = 0.3;
  double reference_ms = 0;  // R, in the unit of `cost`
  CostUnit cost{};
};

struct ObjectiveValue {
  double loss = 0;
  double d_cross_entropy = 1;  // d loss / d CE, what every gate gradient is scaled by
  double d_latency = 0;        // d loss / d E, per ms
};

class Objective {
 public:
  // Throws kInvalidArgument, naming both values, for mul-log unless the smallest reachable cost
  // and the reference exceed 1 in the table's unit: below, ln E / ln R changes sign or rewards
  // slowness.
  Objective(const ObjectiveConfig& config, double smallest_reachable_ms);

  ObjectiveValue Evaluate(double cross_entropy, double expected_latency_ms) const;
  const ObjectiveConfig& config() const { return config_; }

 private:
  ObjectiveConfig config_;
};

}  // namespace nasengine
