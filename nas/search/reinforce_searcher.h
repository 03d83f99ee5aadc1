// Proxyless-R: architecture parameters by the rewards of drawn paths [ProxylessNAS 2019, section
// 3.3.2]. Latency and accuracy need no gradient; Zero is a candidate like any other.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include "nas/latency/latency_model.h"
#include "nas/search/reinforce.h"
#include "nas/search/reward.h"
#include "nas/search/searcher.h"
#include "nas/supernet/rehearsal.h"

namespace nasengine {

class ReinforceSearcher final : public Searcher {
 public:
  static constexpr std::string_view kName = "proxyless-r";
  // The steps of a search.
  static constexpr std::array kSteps = {PlannedStep::kWeights, PlannedStep::kEvaluation};

  // `supernet` and `latency` must outlive the searcher; `latency` is null when no latency is
  // wanted, and then the reward must be kNone's.
  ReinforceSearcher(Supernet& supernet, const LatencyModel* latency, const Reward& reward,
                    const ReinforceConfig& config);

  std::string_view name() const override { return kName; }
  std::optional<Path> WeightPath(std::uint64_t step) const override;
  // Scores every drawn path on the whole batch, forward only, with the batch's own statistics. The
  // result's loss is minus the mean reward; cross-entropy and hits are those of all draws together.
  ArchitectureStepResult ArchitectureStep(Context& context, const Batch& batch,
                                          std::uint64_t step) override;
  // The likeliest candidate of every gate; no path is scored.
  Path Choose(PathScorer& held_out) override;
  double ExpectedLatencyMs() const override;

 private:
  Supernet& supernet_;
  const LatencyModel* latency_;
  Reward reward_;
  Rng rng_;
  int samples_;
  Reinforce reinforce_;
};

}  // namespace nasengine
