// SPDX-License-Identifier: MIT
#include "nas/search/alpha_optimizer.h"

namespace nasengine {

AlphaOptimizer::AlphaOptimizer(std::vector<BinaryGate>& gates, double lr)
    : gates_(gates),
      adam_({.beta1 = 0, .beta2 = 0.999f, .epsilon = 1e-8f, .weight_decay = 0}),
      lr_(static_cast<float>(lr)),
      states_(gates.size()) {}

void AlphaOptimizer::Step(Context& context, std::size_t gate, std::span<const double> gradient) {
  const std::vector<float> gradient_f32(gradient.begin(), gradient.end());
  adam_.Step(context, gates_[gate].alpha(), gradient_f32, lr_, states_[gate]);
}

}  // namespace nasengine
