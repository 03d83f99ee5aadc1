// SPDX-License-Identifier: MIT
#include "nas/train/held_out_scorer.h"

#include "nas/train/evaluator.h"

namespace nasengine {

double HeldOutScorer::Top1(std::span<const int> path) {
  return Evaluate(context_, supernet_, path, batches_).top1 / 100.0;
}

}  // namespace nasengine
