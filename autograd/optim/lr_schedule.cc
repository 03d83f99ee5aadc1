// SPDX-License-Identifier: MIT
#include "autograd/optim/lr_schedule.h"

#include <cmath>
#include <numbers>

#include "kernels/core/error.h"

namespace nasengine {

CosineSchedule::CosineSchedule(double lr0, std::int64_t batches, const LinearRamp& ramp)
    : lr0_(lr0), batches_(batches), ramp_(ramp) {
  NAS_CHECK(batches >= 1, "cosine schedule: ", batches, " batches, expected 1 or more");
  NAS_CHECK(ramp.batches >= 0 && ramp.batches <= batches, "cosine schedule: a ramp of ",
            ramp.batches, " batches, expected 0 to ", batches);
}

double CosineSchedule::At(std::int64_t batch) const {
  NAS_CHECK(batch >= 0 && batch <= batches_, "cosine schedule: batch ", batch, " of ", batches_);
  if (batch < ramp_.batches) {
    const double risen = static_cast<double>(batch) / static_cast<double>(ramp_.batches);
    return lr0_ * (ramp_.start + (1.0 - ramp_.start) * risen);
  }
  if (batch == ramp_.batches) return lr0_;
  const double progress =
      static_cast<double>(batch - ramp_.batches) / static_cast<double>(batches_ - ramp_.batches);
  return 0.5 * lr0_ * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace nasengine
