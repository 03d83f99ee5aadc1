// Paths scored with the supernet's shared weights over a whole held-out set.
// SPDX-License-Identifier: MIT
#pragma once

#include "data/loader.h"
#include "nas/search/path_scorer.h"
#include "nas/supernet/supernet.h"

namespace nasengine {

class HeldOutScorer final : public PathScorer {
 public:
  // All three must outlive the scorer.
  HeldOutScorer(Context& context, const Supernet& supernet, EvalBatches& batches)
      : context_(context), supernet_(supernet), batches_(batches) {}

  // Batch norms use each batch's own statistics.
  double Top1(std::span<const int> path) override;

 private:
  Context& context_;
  const Supernet& supernet_;
  EvalBatches& batches_;
};

}  // namespace nasengine
