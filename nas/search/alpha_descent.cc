// SPDX-License-Identifier: MIT
#include "nas/search/alpha_descent.h"

#include <utility>

namespace nasengine {

AlphaDescent::AlphaDescent(std::string_view algorithm, Supernet& supernet,
                           const LatencyModel* latency, Objective objective,
                           const GradientSearcherConfig& config)
    : supernet_(supernet),
      latency_(latency),
      objective_(std::move(objective)),
      optimizer_(supernet.gates(), config.alpha_lr, config.adam),
      blocks_of_(supernet.space().Gates()) {
  NAS_CHECK(latency != nullptr || objective_.config().kind == ObjectiveKind::kNone, algorithm,
            ": objective ", Name(objective_.config().kind), " needs a latency table");
}

ArchitectureStepResult AlphaDescent::Step(Context& context, const StepResult& result,
                                          const GateProbabilities& probabilities,
                                          std::span<const GateGradients> blocks) {
  const double expected_ms = nasengine::ExpectedLatencyMs(supernet_, latency_, probabilities);
  const ObjectiveValue objective = objective_.Evaluate(result.loss, expected_ms);
  for (std::size_t gate = 0; gate < blocks_of_.size(); ++gate) {
    // Tied blocks draw one candidate, so that either all have gate gradients or none.
    const auto first = static_cast<std::size_t>(blocks_of_[gate].front());
    if (blocks[first].values.empty()) continue;
    optimizer_.Step(context, gate, Gradient(gate, probabilities[gate], blocks, objective));
  }
  return {.loss = objective.loss,
          .cross_entropy = result.loss,
          .expected_latency_ms = expected_ms,
          .top1_hits = result.top1_hits,
          .images = result.images};
}

double AlphaDescent::ExpectedLatencyMs() const {
  return nasengine::ExpectedLatencyMs(supernet_, latency_);
}

std::vector<double> AlphaDescent::Gradient(std::size_t gate, std::span<const double> probabilities,
                                           std::span<const GateGradients> blocks,
                                           const ObjectiveValue& objective) const {
  std::vector<double> gradient(probabilities.size());
  for (const int block : blocks_of_[gate]) {
    const std::vector<double> of_loss =
        AlphaGradient(probabilities, blocks[static_cast<std::size_t>(block)].values);
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      gradient[i] += objective.d_cross_entropy * of_loss[i];
    }
    if (latency_ == nullptr) continue;
    const std::vector<double> of_latency = latency_->AlphaGradientMs(block, probabilities);
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      gradient[i] += objective.d_latency * of_latency[i];
    }
  }
  return gradient;
}

}  // namespace nasengine
