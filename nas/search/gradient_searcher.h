// Proxyless-G: architecture parameters by gradient through the binary gates of one drawn path, all
// candidates' gate gradients by recomputation [ProxylessNAS 2019, section 3.2 and appendix D; the
// official code's mode "full_v2"].
//
// A gate whose drawn candidate is Zero has no gate gradient: in that step neither loss nor latency
// touches its alphas, and its Adam counter does not advance. Keeping the latency term alone would
// push towards Zero, the free candidate, exactly when Zero is drawn, and a block that starts to
// favour Zero could not come back.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include "nas/search/alpha_descent.h"
#include "nas/supernet/rehearsal.h"

namespace nasengine {

class GradientSearcher final : public Searcher {
 public:
  static constexpr std::string_view kName = "proxyless-g";
  // The steps of a search.
  static constexpr std::array kSteps = {PlannedStep::kWeights, PlannedStep::kArchitecture};

  // As AlphaDescent.
  GradientSearcher(Supernet& supernet, const LatencyModel* latency, Objective objective,
                   const GradientSearcherConfig& config);

  std::string_view name() const override { return kName; }
  std::optional<Path> WeightPath(std::uint64_t step) const override;
  ArchitectureStepResult ArchitectureStep(Context& context, const Batch& batch,
                                          std::uint64_t step) override;
  // The likeliest candidate of every gate; no path is scored.
  Path Choose(PathScorer& held_out) override;
  double ExpectedLatencyMs() const override { return alphas_.ExpectedLatencyMs(); }

 private:
  Supernet& supernet_;
  Rng rng_;
  AlphaDescent alphas_;
};

}  // namespace nasengine
