// How the learning rate falls over a run.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace nasengine {

// Before a cosine: from start * lr0 linearly to lr0.
struct LinearRamp {
  std::int64_t batches = 0;
  double start = 0;
};

// Half a cosine from lr0 to 0, without restart [SGDR, Loshchilov and Hutter 2017, one period], over
// `batches` batches or what a ramp leaves of them.
class CosineSchedule {
 public:
  // Throws kInvalidArgument unless batches >= 1 and the ramp is no longer.
  CosineSchedule(double lr0, std::int64_t batches, const LinearRamp& ramp = {});

  // lr = 0.5 * lr0 * (1 + cos(pi * (batch - ramp) / (batches - ramp))) for batch ramp..batches.
  // Throws kInvalidArgument outside 0..batches.
  double At(std::int64_t batch) const;

 private:
  double lr0_;
  std::int64_t batches_;
  LinearRamp ramp_;
};

}  // namespace nasengine
