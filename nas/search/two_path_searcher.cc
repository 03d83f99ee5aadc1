// SPDX-License-Identifier: MIT
#include "nas/search/two_path_searcher.h"

#include <utility>

#include "nas/search/draws.h"

namespace nasengine {

TwoPathSearcher::TwoPathSearcher(Supernet& supernet, const LatencyModel* latency,
                                 Objective objective, const GradientSearcherConfig& config)
    : supernet_(supernet),
      rng_(config.seed, RngPurpose::kGates),
      alphas_(kName, supernet, latency, std::move(objective), config) {
  NAS_CHECK(config.adam.beta1 == 0 && config.adam.weight_decay == 0, kName, ": found alpha_beta1 ",
            config.adam.beta1, " and alpha_weight_decay ", config.adam.weight_decay,
            ", expected 0 and 0: they would move the candidates that were not drawn");
}

std::optional<Path> TwoPathSearcher::WeightPath(std::uint64_t step) const {
  return supernet_.SamplePath(rng_, WeightDraw(step));
}

ArchitectureStepResult TwoPathSearcher::ArchitectureStep(Context& context, const Batch& batch,
                                                         std::uint64_t step) {
  std::vector<BinaryGate>& gates = supernet_.gates();
  std::vector<GatePair> pairs;
  std::vector<int> active;
  std::vector<int> inactive;
  GateProbabilities probabilities;
  std::vector<std::vector<float>> before;
  for (std::size_t g = 0; g < gates.size(); ++g) {
    pairs.push_back(gates[g].SamplePair(rng_, ArchitectureDraw(step), static_cast<int>(g)));
    active.push_back(pairs[g].active);
    inactive.push_back(pairs[g].inactive);
    probabilities.push_back(gates[g].PairProbabilities(pairs[g]));
    before.emplace_back(gates[g].alpha().begin(), gates[g].alpha().end());
  }
  std::vector<GateGradients> blocks(static_cast<std::size_t>(supernet_.blocks()));
  const SearchSpace& space = supernet_.space();
  const StepResult result =
      RunTwoPathsStep(context, supernet_, PathOfGates(space, active), PathOfGates(space, inactive),
                      batch.images, batch.labels, blocks);
  const ArchitectureStepResult step_result = alphas_.Step(context, result, probabilities, blocks);
  // Of a gate that rested the offset is exactly 0.
  for (std::size_t g = 0; g < gates.size(); ++g) gates[g].RescalePair(pairs[g], before[g]);
  return step_result;
}

Path TwoPathSearcher::Choose(PathScorer& /*held_out*/) { return supernet_.BestPath(); }

}  // namespace nasengine
