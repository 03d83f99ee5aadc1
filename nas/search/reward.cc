// SPDX-License-Identifier: MIT
#include "nas/search/reward.h"

#include <cmath>

#include "kernels/core/error.h"

namespace nasengine {

Reward::Reward(const RewardConfig& config) : config_(config) {
  NAS_CHECK(config_.kind == ObjectiveKind::kNone || config_.reference_ms > 0,
            "reward: the reference ", config_.cost.name, " is ", config_.reference_ms, " ",
            config_.cost.unit, ", expected more than 0");
}

double Reward::Evaluate(double top1, double latency_ms) const {
  switch (config_.kind) {
    case ObjectiveKind::kMulLog:
      NAS_CHECK(latency_ms > 0, "reward: the ", config_.cost.name, " of a path is ", latency_ms,
                " ", config_.cost.unit, ", expected more than 0");
      return top1 * std::pow(config_.reference_ms / latency_ms, config_.latency_exponent);
    case ObjectiveKind::kAddLinear:
      return top1 - config_.lambda * (latency_ms - config_.reference_ms) / config_.reference_ms;
    case ObjectiveKind::kNone:
      break;
  }
  return top1;
}

}  // namespace nasengine
