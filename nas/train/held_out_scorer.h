// Paths scored with the supernet's shared weights over a whole held-out set.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "data/loader.h"
#include "kernels/core/allocator.h"
#include "nas/search/path_scorer.h"
#include "nas/supernet/supernet.h"
#include "nas/train/step_record.h"

namespace nasengine {

class HeldOutScorer final : public PathScorer {
 public:
  struct Parts {
    Context& context;
    CachingAllocator& allocator;
    const Supernet& supernet;
    EvalBatches& batches;
  };
  // Every path is reported to `control` as one of `paths` steps of phase kEval in epoch `epoch`.
  // Everything must outlive the scorer.
  HeldOutScorer(const Parts& parts, std::int64_t paths, std::int64_t epoch,
                const LoopControl& control)
      : parts_(parts), paths_(paths), epoch_(epoch), control_(control) {}

  // Batch norms use each batch's own statistics.
  double Top1(std::span<const int> path) override;
  bool stopped() const override { return control_.stopped(); }

 private:
  Parts parts_;
  std::int64_t paths_;
  std::int64_t epoch_;
  const LoopControl& control_;
  std::int64_t scored_ = 0;
};

}  // namespace nasengine
