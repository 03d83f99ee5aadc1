// SPDX-License-Identifier: MIT
#include "nas/search/objective.h"

#include <cmath>

#include "kernels/core/error.h"

namespace nasengine {

std::string_view Name(ObjectiveKind kind) {
  switch (kind) {
    case ObjectiveKind::kAddLinear:
      return "add-linear";
    case ObjectiveKind::kMulLog:
      return "mul-log";
    case ObjectiveKind::kNone:
      break;
  }
  return "none";
}

ObjectiveKind ParseObjective(std::string_view text) {
  for (ObjectiveKind kind :
       {ObjectiveKind::kAddLinear, ObjectiveKind::kMulLog, ObjectiveKind::kNone}) {
    if (text == Name(kind)) return kind;
  }
  Throw(ErrorCode::kInvalidArgument, "objective: found '", text,
        "', expected add-linear, mul-log or none");
}

Objective::Objective(const ObjectiveConfig& config, double smallest_reachable_ms)
    : config_(config) {
  if (config_.kind == ObjectiveKind::kNone) return;
  const CostUnit& cost = config_.cost;
  NAS_CHECK(config_.reference_ms > 0, "objective: the reference ", cost.name, " is ",
            config_.reference_ms, " ", cost.unit, ", expected more than 0");
  NAS_CHECK(config_.kind != ObjectiveKind::kMulLog ||
                (smallest_reachable_ms > 1 && config_.reference_ms > 1),
            "objective mul-log: the smallest reachable ", cost.name, " is ", smallest_reachable_ms,
            " ", cost.unit, " and the reference ", config_.reference_ms, " ", cost.unit,
            "; both must exceed 1 ", cost.unit, " for ln E / ln R to make sense; use add-linear");
}

ObjectiveValue Objective::Evaluate(double cross_entropy, double expected_latency_ms) const {
  switch (config_.kind) {
    case ObjectiveKind::kAddLinear: {
      const double scale = config_.lambda / config_.reference_ms;
      return {.loss = cross_entropy + scale * (expected_latency_ms - config_.reference_ms),
              .d_cross_entropy = 1,
              .d_latency = scale};
    }
    case ObjectiveKind::kMulLog: {
      const double log_reference = std::log(config_.reference_ms);
      const double ratio = std::log(expected_latency_ms) / log_reference;
      const double factor = config_.mul_log_a * std::pow(ratio, config_.mul_log_b);
      const double slope = config_.mul_log_a * config_.mul_log_b *
                           std::pow(ratio, config_.mul_log_b - 1) /
                           (expected_latency_ms * log_reference);
      return {.loss = cross_entropy * factor,
              .d_cross_entropy = factor,
              .d_latency = cross_entropy * slope};
    }
    case ObjectiveKind::kNone:
      break;
  }
  return {.loss = cross_entropy};
}

}  // namespace nasengine
