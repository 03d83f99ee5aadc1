// SPDX-License-Identifier: MIT
#include "nas/search/darts_searcher.h"

#include <utility>

namespace nasengine {

DartsSearcher::DartsSearcher(Supernet& supernet, const LatencyModel* latency, Objective objective,
                             const GradientSearcherConfig& config)
    : supernet_(supernet), alphas_(kName, supernet, latency, std::move(objective), config) {}

std::optional<Path> DartsSearcher::WeightPath(std::uint64_t /*step*/) const { return std::nullopt; }

ArchitectureStepResult DartsSearcher::ArchitectureStep(Context& context, const Batch& batch,
                                                       std::uint64_t /*step*/) {
  std::vector<GateGradients> gates(static_cast<std::size_t>(supernet_.blocks()));
  const StepResult result =
      RunAllPathsArchitectureStep(context, supernet_, batch.images, batch.labels, gates);
  return alphas_.Step(context, result, ProbabilitiesOf(supernet_), gates);
}

Path DartsSearcher::Choose(PathScorer& /*held_out*/) { return supernet_.BestPath(); }

}  // namespace nasengine
