// What a search algorithm is to the loop that runs it: it names the path of each weight step and
// takes the architecture steps.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "data/batch.h"
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
  virtual Path WeightPath(std::uint64_t step) const = 0;
  // Updates the alphas on a held-out batch. Weights and running statistics stay.
  virtual ArchitectureStepResult ArchitectureStep(Context& context, const Batch& batch,
                                                  std::uint64_t step) = 0;
  // Of the present alphas; 0 without a latency model.
  virtual double ExpectedLatencyMs() const = 0;
};

}  // namespace nasengine
