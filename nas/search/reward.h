// What REINFORCE makes large: accuracy and latency of one path in one number. Neither has to be
// differentiable.
// SPDX-License-Identifier: MIT
#pragma once

#include "nas/search/objective.h"

namespace nasengine {

struct RewardConfig {
  // kMulLog: top1 * (R / LAT)^w, the published reward [ProxylessNAS 2019, section 3.3.1, and the
  // official code's 1/10 for w]; it takes no logarithm, so R may be below 1 ms.
  // kAddLinear: top1 - lambda * (LAT - R) / R. kNone: top1.
  ObjectiveKind kind = ObjectiveKind::kMulLog;
  double latency_exponent = 0.1;  // w
  double lambda = 0.1;
  double reference_ms = 0;  // R, in the unit of `cost`
  CostUnit cost{};
};

class Reward {
 public:
  // Throws kInvalidArgument unless the reference is positive where latency counts.
  explicit Reward(const RewardConfig& config);

  // `top1` in [0, 1]; `latency_ms` of the path, positive where latency counts.
  double Evaluate(double top1, double latency_ms) const;
  const RewardConfig& config() const { return config_; }

 private:
  RewardConfig config_;
};

}  // namespace nasengine
