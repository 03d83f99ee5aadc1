// What a search algorithm is to the loop that runs it: it says what each weight step trains, takes
// the architecture steps, and names the path to derive.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "data/batch.h"
#include "nas/search/path_scorer.h"
#include "nas/supernet/supernet.h"

namespace nasengine {

struct ArchitectureStepResult {
  double loss = 0;           // the objective
  double cross_entropy = 0;  // on the held-out batch, no label smoothing
  double expected_latency_ms = 0;
  std::int64_t top1_hits = 0;
  std::int64_t images = 0;
};

class Searcher {
 public:
  virtual ~Searcher() = default;
  virtual std::string_view name() const = 0;
  // The path that weight step `step` trains; a pure function of the alphas, the seed and `step`.
  // None: the step trains all candidates, weighted by the path probabilities.
  virtual std::optional<Path> WeightPath(std::uint64_t step) const = 0;
  // Updates the alphas on a held-out batch. Weights and running statistics stay.
  virtual ArchitectureStepResult ArchitectureStep(Context& context, const Batch& batch,
                                                  std::uint64_t step) = 0;
  // The path to derive when the search is over; `held_out` is there for algorithms that compare
  // paths by their accuracy.
  virtual Path Choose(PathScorer& held_out) = 0;
  // Of the present alphas; 0 without a latency model.
  virtual double ExpectedLatencyMs() const = 0;
};

}  // namespace nasengine
