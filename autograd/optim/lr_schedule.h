// How the learning rate falls over a run.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace nasengine {

// Half a cosine from lr0 to 0 over `batches` batches, without restart or ramp [SGDR, Loshchilov and
// Hutter 2017, one period].
class CosineSchedule {
 public:
  // Throws kInvalidArgument unless batches >= 1.
  CosineSchedule(double lr0, std::int64_t batches);

  // lr = 0.5 * lr0 * (1 + cos(pi * batch / batches)) for batch 0..batches.
  // Throws kInvalidArgument outside.
  double At(std::int64_t batch) const;

 private:
  double lr0_;
  std::int64_t batches_;
};

}  // namespace nasengine
