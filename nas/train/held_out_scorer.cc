// SPDX-License-Identifier: MIT
#include "nas/train/held_out_scorer.h"

#include "kernels/core/timer.h"
#include "nas/train/evaluator.h"

namespace nasengine {

double HeldOutScorer::Top1(std::span<const int> path) {
  const Timer timer;
  parts_.allocator.ResetPeak();
  const Evaluation result = Evaluate(parts_.context, parts_.supernet, path, parts_.batches);
  ++scored_;
  if (control_.observe) {
    control_.observe({.step = scored_,
                      .steps = paths_,
                      .epoch = epoch_,
                      .phase = Phase::kEval,
                      .loss = result.loss,
                      .top1 = result.top1,
                      .ms = timer.ms(),
                      .images = result.images,
                      .peak_bytes = parts_.allocator.stats().peak_bytes});
  }
  return result.top1 / 100.0;
}

}  // namespace nasengine
