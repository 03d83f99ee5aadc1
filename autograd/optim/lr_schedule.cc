// SPDX-License-Identifier: MIT
#include "autograd/optim/lr_schedule.h"

#include <cmath>
#include <numbers>

#include "kernels/core/error.h"

namespace nasengine {

CosineSchedule::CosineSchedule(double lr0, std::int64_t batches) : lr0_(lr0), batches_(batches) {
  NAS_CHECK(batches >= 1, "cosine schedule: ", batches, " batches, expected 1 or more");
}

double CosineSchedule::At(std::int64_t batch) const {
  NAS_CHECK(batch >= 0 && batch <= batches_, "cosine schedule: batch ", batch, " of ", batches_);
  const double progress = static_cast<double>(batch) / static_cast<double>(batches_);
  return 0.5 * lr0_ * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace nasengine
