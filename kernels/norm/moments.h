// Mean and variance of a channel from the sums of several threads, and what forward and backward of
// a batch norm make of a channel's sums. Shared by every implementation of ours that gathers them.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/core/tensor.h"

namespace nasengine::batch_norm {

struct Moments {
  double count = 0;
  double mean = 0;
  double squares = 0;  // of the distances from the mean

  // Joins `count` values given by the sums of their distances from `pivot` and of those squared
  // [Chan, Golub and LeVeque 1979].
  void Join(double part_count, double pivot, double sum, double sum_of_squares) {
    if (part_count == 0) return;
    const double part_mean = pivot + sum / part_count;
    const double part_squares = sum_of_squares - sum * sum / part_count;
    const double distance = part_mean - mean;
    const double total = count + part_count;
    mean += distance * part_count / total;
    squares += std::max(0.0, part_squares) + distance * distance * count * part_count / total;
    count = total;
  }

  double inv_std(double epsilon) const {
    return 1 / std::sqrt(squares / std::max(1.0, count) + epsilon);
  }
  double unbiased_variance() const { return squares / std::max(1.0, count - 1); }
};

// running = (1 - momentum) * running + momentum * batch for one channel; nothing without `running`.
inline void Blend(const View& running, std::int64_t channel, double momentum, double batch) {
  if (running.empty()) return;
  float& value = running.As<float>()[channel];
  value = static_cast<float>((1 - momentum) * double{value} + momentum * batch);
}

// to = value, or to += value; nothing without `to`.
inline void StoreGradient(const View& to, std::int64_t channel, double value, bool accumulate) {
  if (to.empty()) return;
  float& stored = to.As<float>()[channel];
  stored = static_cast<float>((accumulate ? double{stored} : 0.0) + value);
}

// The input's gradient is scale * g + slope * (x - mean) + offset, g being the gradient that the
// activation passes; slope and offset from the sums of g and of g * (x - mean) over `count` rows.
struct GradientFactors {
  GradientFactors(double count, double sum, double projection, double gamma, double inv_std)
      : slope(-gamma * inv_std * projection * inv_std * inv_std / std::max(1.0, count)),
        offset(-gamma * inv_std * sum / std::max(1.0, count)) {}
  double slope;
  double offset;
};

}  // namespace nasengine::batch_norm
