// DARTS, first order: every step evaluates all candidates, weighted by the path probabilities;
// weights learn on training images, alphas on held-out ones with the weights as they are [Liu,
// Simonyan, Yang, DARTS, ICLR 2019, with xi = 0].
//
// The loss is differentiable in the alphas: d loss / d p_k = <dy, branch_k(x)> through the tape of
// all candidates, then the softmax's Jacobian. Expected latency is that of all candidates. Beside
// the proxyless algorithms only the probabilities' place differs: nodes, kernels and optimisers are
// theirs.
//
// Zero adds nothing to the weighted sum, so its gate gradient is 0; its alpha moves through the
// softmax and by latency, and it may be the likeliest in the end like any candidate.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include "nas/search/alpha_descent.h"
#include "nas/supernet/rehearsal.h"

namespace nasengine {

class DartsSearcher final : public Searcher {
 public:
  static constexpr std::string_view kName = "darts";
  // The steps of a search.
  static constexpr std::array kSteps = {PlannedStep::kAllPaths, PlannedStep::kAllPathsArchitecture};

  // As AlphaDescent. Nothing is drawn, so that the seed does not matter.
  DartsSearcher(Supernet& supernet, const LatencyModel* latency, Objective objective,
                const GradientSearcherConfig& config);

  std::string_view name() const override { return kName; }
  // None: all candidates are trained.
  std::optional<Path> WeightPath(std::uint64_t step) const override;
  ArchitectureStepResult ArchitectureStep(Context& context, const Batch& batch,
                                          std::uint64_t step) override;
  // The likeliest candidate of every gate; no path is scored.
  Path Choose(PathScorer& held_out) override;
  double ExpectedLatencyMs() const override { return alphas_.ExpectedLatencyMs(); }

 private:
  Supernet& supernet_;
  AlphaDescent alphas_;
};

}  // namespace nasengine
