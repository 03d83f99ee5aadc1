// Proxyless-G with two drawn paths: of every gate two candidates compete in a step, one of them
// active, and all others rest [ProxylessNAS 2019, section 3.2; the official code's mode "two"].
//
// Everything that an architecture step knows of probabilities is the softmax q of the pair's two
// alphas: which one is active, the gradient of the alphas, the expected latency that the objective
// sees. After the update both alphas are shifted so that the sum of their exponentials is what it
// was: what one of the two gains the other loses, and no other path's probability changes.
//
// The published code evaluates the inactive candidate in the forward pass and detaches it. Here the
// backward pass evaluates it, as all candidates in proxyless-g: the same number (mixed_op.h says
// why), and its output does not wait in memory for its gradient.
//
// A gate whose active candidate is Zero rests, as in gradient_searcher.h.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include "nas/search/alpha_descent.h"
#include "nas/supernet/rehearsal.h"

namespace nasengine {

class TwoPathSearcher final : public Searcher {
 public:
  static constexpr std::string_view kName = "proxyless-g-two";
  // The steps of a search.
  static constexpr std::array kSteps = {PlannedStep::kWeights, PlannedStep::kTwoPaths};

  // As AlphaDescent.
  TwoPathSearcher(Supernet& supernet, const LatencyModel* latency, Objective objective,
                  const GradientSearcherConfig& config);

  std::string_view name() const override { return kName; }
  std::optional<Path> WeightPath(std::uint64_t step) const override;
  ArchitectureStepResult ArchitectureStep(Context& context, const Batch& batch,
                                          std::uint64_t step) override;
  // The likeliest candidate of every gate; no path is scored.
  Path Choose(PathScorer& held_out) override;
  // The full expectation, not that of a step's pairs.
  double ExpectedLatencyMs() const override { return alphas_.ExpectedLatencyMs(); }

 private:
  Supernet& supernet_;
  Rng rng_;
  AlphaDescent alphas_;
};

}  // namespace nasengine
