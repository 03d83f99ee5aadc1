// SPDX-License-Identifier: MIT
#include "nas/search/reinforce_searcher.h"

#include "nas/search/draws.h"
#include "nas/search/expected_latency.h"
#include "nas/supernet/step.h"

namespace nasengine {

ReinforceSearcher::ReinforceSearcher(Supernet& supernet, const LatencyModel* latency,
                                     const Reward& reward, const ReinforceConfig& config)
    : supernet_(supernet),
      latency_(latency),
      reward_(reward),
      rng_(config.seed, RngPurpose::kGates),
      samples_(config.samples),
      reinforce_(supernet.gates(), config) {
  NAS_CHECK(latency != nullptr || reward.config().kind == ObjectiveKind::kNone, kName,
            ": objective ", Name(reward.config().kind), " needs a latency table");
}

std::optional<Path> ReinforceSearcher::WeightPath(std::uint64_t step) const {
  return supernet_.SamplePath(rng_, WeightDraw(step));
}

ArchitectureStepResult ReinforceSearcher::ArchitectureStep(Context& context, const Batch& batch,
                                                           std::uint64_t step) {
  ArchitectureStepResult result{.expected_latency_ms = ExpectedLatencyMs()};
  const double mean_reward = reinforce_.Update(context, step, [&](std::span<const int> choices) {
    const Path path = PathOfGates(supernet_.space(), choices);
    const StepResult scored = RunForwardStep(context, supernet_, path, batch.images, batch.labels);
    result.cross_entropy += scored.loss / samples_;
    result.top1_hits += scored.top1_hits;
    result.images += scored.images;
    const double top1 = static_cast<double>(scored.top1_hits) / static_cast<double>(scored.images);
    return reward_.Evaluate(top1, latency_ == nullptr ? 0 : latency_->PathMs(path));
  });
  result.loss = -mean_reward;
  return result;
}

Path ReinforceSearcher::Choose(PathScorer& /*held_out*/) { return supernet_.BestPath(); }

double ReinforceSearcher::ExpectedLatencyMs() const {
  return nasengine::ExpectedLatencyMs(supernet_, latency_);
}

}  // namespace nasengine
