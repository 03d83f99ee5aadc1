// SPDX-License-Identifier: MIT
#include "nas/search/gradient_searcher.h"

#include <utility>

#include "nas/search/draws.h"

namespace nasengine {

GradientSearcher::GradientSearcher(Supernet& supernet, const LatencyModel* latency,
                                   Objective objective, const GradientSearcherConfig& config)
    : supernet_(supernet),
      rng_(config.seed, RngPurpose::kGates),
      alphas_(kName, supernet, latency, std::move(objective), config) {}

std::optional<Path> GradientSearcher::WeightPath(std::uint64_t step) const {
  return supernet_.SamplePath(rng_, WeightDraw(step));
}

ArchitectureStepResult GradientSearcher::ArchitectureStep(Context& context, const Batch& batch,
                                                          std::uint64_t step) {
  const Path path = supernet_.SamplePath(rng_, ArchitectureDraw(step));
  std::vector<GateGradients> gates(path.size());
  const StepResult result =
      RunArchitectureStep(context, supernet_, path, batch.images, batch.labels, gates);
  return alphas_.Step(context, result, ProbabilitiesOf(supernet_), gates);
}

Path GradientSearcher::Choose(PathScorer& /*held_out*/) { return supernet_.BestPath(); }

}  // namespace nasengine
