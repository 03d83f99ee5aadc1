// REINFORCE on binary gates: alphas moved by the rewards of drawn choices, with a baseline
// [ProxylessNAS 2019, section 3.3.2 and appendix; Williams 1992]. Knows alphas and rewards only, so
// that it serves a supernet as well as a table of trained networks.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "nas/search/alpha_optimizer.h"

namespace nasengine {

struct ReinforceConfig {
  std::uint32_t seed = 0;
  int samples = 10;  // M, draws an update
  // Weight of the new mean reward in the baseline. The published 0.99 makes the baseline nearly
  // the mean of the present draws; 0.01 a slow moving average.
  double baseline_weight = 0.99;
  double alpha_lr = 1e-3;
  AdamOptions adam{};
};

// The gradient, for descent, of minus the expected reward by the alphas of one gate:
//   (1/M) sum over m of advantage_m * (p_i - [i = drawn_m])
// Unbiased where the baseline does not depend on the draws; sums to 0. Throws kInvalidArgument
// unless there are as many draws as advantages.
std::vector<double> ReinforceGradient(std::span<const double> probabilities,
                                      std::span<const int> drawn,
                                      std::span<const double> advantages);

class Reinforce {
 public:
  // Of the chosen candidate of every gate.
  using RewardFunction = std::function<double(std::span<const int> choices)>;

  // `gates` must outlive this. Throws kInvalidArgument for less than one sample.
  Reinforce(std::vector<BinaryGate>& gates, const ReinforceConfig& config);

  // Draws M times, a pure function of alphas, seed and `step`, asks for each reward, and takes an
  // Adam step (beta1 = 0) on every gate. The baseline is the mean reward of the first update; later
  // it moves towards the mean before the advantages are formed. Returns the mean reward. Throws
  // kInvalidArgument for a reward that is not finite.
  double Update(Context& context, std::uint64_t step, const RewardFunction& reward);

  // None before the first update.
  std::optional<double> baseline() const { return baseline_; }

 private:
  std::vector<BinaryGate>& gates_;
  ReinforceConfig config_;
  Rng rng_;
  AlphaOptimizer optimizer_;
  std::optional<double> baseline_;
};

}  // namespace nasengine
