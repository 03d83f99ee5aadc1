// SPDX-License-Identifier: MIT
#include "nas/search/alpha_optimizer.h"

namespace nasengine {

AlphaOptimizer::AlphaOptimizer(std::vector<BinaryGate>& gates, double lr, const AdamOptions& adam)
    : gates_(gates), adam_(adam), lr_(static_cast<float>(lr)), states_(gates.size()) {}

void AlphaOptimizer::Step(Context& context, std::size_t gate, std::span<const double> gradient) {
  const std::vector<float> gradient_f32(gradient.begin(), gradient.end());
  adam_.Step(context, gates_[gate].alpha(), gradient_f32, lr_, states_[gate]);
}

}  // namespace nasengine
