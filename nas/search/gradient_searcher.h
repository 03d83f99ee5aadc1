// Proxyless-G: architecture parameters by gradient through the binary gates of one drawn path, all
// candidates' gate gradients by recomputation [ProxylessNAS 2019, section 3.2 and appendix D; the
// official code's mode "full_v2"].
//
// A block whose drawn candidate is Zero has no gate gradient: its alphas are not touched in that
// step
// - neither by the loss nor by latency - and its Adam counter does not advance. Keeping the latency
// term alone would push towards Zero, the free candidate, exactly when Zero is drawn, and a block
// that starts to favour Zero could not come back.
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "autograd/optim/adam.h"
#include "nas/latency/latency_model.h"
#include "nas/search/objective.h"
#include "nas/search/searcher.h"

namespace nasengine {

struct GradientSearcherConfig {
  std::uint32_t seed = 0;
  double alpha_lr = 1e-3;
};

class GradientSearcher final : public Searcher {
 public:
  // `supernet` and `latency` must outlive the searcher; `latency` is null when no latency is
  // wanted, and then the objective must be kNone.
  GradientSearcher(Supernet& supernet, const LatencyModel* latency, Objective objective,
                   const GradientSearcherConfig& config);

  std::string_view name() const override { return "proxyless-g"; }
  std::optional<Path> WeightPath(std::uint64_t step) const override;
  ArchitectureStepResult ArchitectureStep(Context& context, const Batch& batch,
                                          std::uint64_t step) override;
  // The likeliest candidate of every block; no path is scored.
  Path Choose(PathScorer& held_out) override;
  double ExpectedLatencyMs() const override;

 private:
  std::vector<std::vector<double>> Probabilities() const;

  Supernet& supernet_;
  const LatencyModel* latency_;
  Objective objective_;
  Rng rng_;
  AdamOptimizer adam_;
  double alpha_lr_;
  std::vector<AdamState> adam_states_;  // one a block, each with a step counter of its own
};

}  // namespace nasengine
