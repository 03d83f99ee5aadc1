// What the searchers by gradient share: from the gate gradients of a step and the objective to
// moved alphas. They differ in how the gate gradients come about and in the probabilities that
// weigh them.
//
// For gate g with probabilities p over its candidates, G the sum of its blocks' gate gradients, F
// that of their latencies, E the expected latency of the network and L the objective,
//   d L / d alpha_i = p_i * (dL/dCE * (G_i - sum_j p_j G_j) + dL/dE * (F_i - sum_j p_j F_j))
// [ProxylessNAS 2019, equations 4 and 5].
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "nas/latency/latency_model.h"
#include "nas/search/alpha_optimizer.h"
#include "nas/search/expected_latency.h"
#include "nas/search/objective.h"
#include "nas/search/searcher.h"
#include "nas/supernet/step.h"

namespace nasengine {

struct GradientSearcherConfig {
  std::uint32_t seed = 0;
  double alpha_lr = 1e-3;
  AdamOptions adam{};  // the defaults are the published ones
};

class AlphaDescent {
 public:
  // `supernet` and `latency` must outlive it; `latency` is null when no latency is wanted, and then
  // the objective must be kNone: throws kInvalidArgument in the name of `algorithm` otherwise.
  AlphaDescent(std::string_view algorithm, Supernet& supernet, const LatencyModel* latency,
               Objective objective, const GradientSearcherConfig& config);

  // Moves the alphas after a step that gave `result` and `blocks`, the gate gradients of every
  // block. A gate whose blocks have none is not touched: neither loss nor latency moves it.
  ArchitectureStepResult Step(Context& context, const StepResult& result,
                              const GateProbabilities& probabilities,
                              std::span<const GateGradients> blocks);
  // Of the present alphas; 0 without a latency model.
  double ExpectedLatencyMs() const;

 private:
  // The blocks of gate `gate` together: d loss / d alpha.
  std::vector<double> Gradient(std::size_t gate, std::span<const double> probabilities,
                               std::span<const GateGradients> blocks,
                               const ObjectiveValue& objective) const;

  Supernet& supernet_;
  const LatencyModel* latency_;
  Objective objective_;
  AlphaOptimizer optimizer_;
  std::vector<std::vector<int>> blocks_of_;  // of every gate
};

}  // namespace nasengine
