// SPDX-License-Identifier: MIT
#include "nas/search/reinforce.h"

#include <cmath>

#include "kernels/core/error.h"
#include "nas/search/draws.h"

namespace nasengine {

std::vector<double> ReinforceGradient(std::span<const double> probabilities,
                                      std::span<const int> drawn,
                                      std::span<const double> advantages) {
  NAS_CHECK(drawn.size() == advantages.size() && !drawn.empty(), "reinforce: ", drawn.size(),
            " draws, ", advantages.size(), " advantages");
  double sum = 0;
  std::vector<double> gradient(probabilities.size());
  for (std::size_t m = 0; m < drawn.size(); ++m) {
    sum += advantages[m];
    gradient[static_cast<std::size_t>(drawn[m])] -= advantages[m];
  }
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    gradient[i] = (gradient[i] + sum * probabilities[i]) / static_cast<double>(drawn.size());
  }
  return gradient;
}

Reinforce::Reinforce(std::vector<BinaryGate>& gates, const ReinforceConfig& config)
    : gates_(gates),
      config_(config),
      rng_(config.seed, RngPurpose::kGates),
      optimizer_(gates, config.alpha_lr, config.adam) {
  NAS_CHECK(config.samples >= 1, "reinforce: ", config.samples,
            " samples an update, expected 1 or more");
}

double Reinforce::Update(Context& context, std::uint64_t step, const RewardFunction& reward) {
  const auto samples = static_cast<std::size_t>(config_.samples);
  // drawn[g][m]: what draw m chose in gate g.
  std::vector<std::vector<int>> drawn(gates_.size(), std::vector<int>(samples));
  std::vector<double> advantages(samples);
  std::vector<int> choices(gates_.size());
  double mean = 0;
  for (std::size_t m = 0; m < samples; ++m) {
    const std::uint64_t draw = ArchitectureDraw(step * samples + m);
    for (std::size_t g = 0; g < gates_.size(); ++g) {
      choices[g] = drawn[g][m] = gates_[g].Sample(rng_, draw, static_cast<int>(g));
    }
    advantages[m] = reward(choices);
    NAS_CHECK(std::isfinite(advantages[m]), "reinforce: the reward of a path is ", advantages[m],
              ", expected a finite number");
    mean += advantages[m] / static_cast<double>(samples);
  }
  const double before = baseline_.value_or(mean);
  baseline_ = before + config_.baseline_weight * (mean - before);
  for (double& advantage : advantages) advantage -= *baseline_;
  for (std::size_t g = 0; g < gates_.size(); ++g) {
    optimizer_.Step(context, g, ReinforceGradient(gates_[g].Probabilities(), drawn[g], advantages));
  }
  return mean;
}

}  // namespace nasengine
