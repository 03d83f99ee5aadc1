// SPDX-License-Identifier: MIT
#include "nas/search/gradient_searcher.h"

#include <utility>

#include "nas/supernet/step.h"

namespace nasengine {
namespace {

// Weight and architecture steps draw their paths from one stream without ever sharing a draw.
std::uint64_t WeightDraw(std::uint64_t step) { return 2 * step; }
std::uint64_t ArchitectureDraw(std::uint64_t step) { return 2 * step + 1; }

}  // namespace

GradientSearcher::GradientSearcher(Supernet& supernet, const LatencyModel* latency,
                                   Objective objective, const GradientSearcherConfig& config)
    : supernet_(supernet),
      latency_(latency),
      objective_(std::move(objective)),
      rng_(config.seed, RngPurpose::kGates),
      adam_({.beta1 = 0, .beta2 = 0.999f, .epsilon = 1e-8f, .weight_decay = 0}),
      alpha_lr_(config.alpha_lr),
      adam_states_(static_cast<std::size_t>(supernet.blocks())) {
  NAS_CHECK(latency != nullptr || objective_.config().kind == ObjectiveKind::kNone,
            "proxyless-g: objective ", Name(objective_.config().kind), " needs a latency table");
}

std::optional<Path> GradientSearcher::WeightPath(std::uint64_t step) const {
  return supernet_.SamplePath(rng_, WeightDraw(step));
}

Path GradientSearcher::Choose(PathScorer& /*held_out*/) { return supernet_.BestPath(); }

double GradientSearcher::ExpectedLatencyMs() const {
  return latency_ == nullptr ? 0 : latency_->ExpectedMs(Probabilities());
}

std::vector<std::vector<double>> GradientSearcher::Probabilities() const {
  std::vector<std::vector<double>> probabilities;
  for (const BinaryGate& gate : supernet_.gates()) probabilities.push_back(gate.Probabilities());
  return probabilities;
}

ArchitectureStepResult GradientSearcher::ArchitectureStep(Context& context, const Batch& batch,
                                                          std::uint64_t step) {
  const Path path = supernet_.SamplePath(rng_, ArchitectureDraw(step));
  std::vector<GateGradients> gates(path.size());
  const StepResult result =
      RunArchitectureStep(context, supernet_, path, batch.images, batch.labels, gates);
  const std::vector<std::vector<double>> probabilities = Probabilities();
  const double expected_ms = latency_ == nullptr ? 0 : latency_->ExpectedMs(probabilities);
  const ObjectiveValue objective = objective_.Evaluate(result.loss, expected_ms);

  for (std::size_t block = 0; block < gates.size(); ++block) {
    if (gates[block].values.empty()) continue;
    std::vector<double> gradient = AlphaGradient(probabilities[block], gates[block].values);
    for (double& g : gradient) g *= objective.d_cross_entropy;
    if (latency_ != nullptr) {
      const std::vector<double> slope =
          latency_->AlphaGradientMs(static_cast<int>(block), probabilities[block]);
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        gradient[i] += objective.d_latency * slope[i];
      }
    }
    const std::vector<float> gradient_f32(gradient.begin(), gradient.end());
    adam_.Step(context, supernet_.gates()[block].alpha(), gradient_f32,
               static_cast<float>(alpha_lr_), adam_states_[block]);
  }
  return {.loss = objective.loss,
          .cross_entropy = result.loss,
          .expected_latency_ms = expected_ms,
          .top1_hits = result.top1_hits,
          .images = result.images};
}

}  // namespace nasengine
