// What a batch norm makes of a channel's two sums, as kernels/norm/moments.h does on the host.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/portable.cuh"
#include "kernels/norm/batch_norm_cuda.h"

namespace nasengine::cuda {

struct FinishStatistics {
  BatchStatistics to;
  const float* shift;  // null for none

  // running = (1 - momentum) * running + momentum * batch.
  __device__ __forceinline__ void Blend(float* running, std::int64_t channel, double batch) const {
    if (running == nullptr) return;
    const double momentum = static_cast<double>(to.momentum);
    running[channel] = static_cast<float>((1 - momentum) * static_cast<double>(running[channel]) +
                                          momentum * batch);
  }

  __device__ __forceinline__ void operator()(std::int64_t channel, double sum,
                                             double sum_of_squares) const {
    double mean = 0, squares = 0;
    const double count = static_cast<double>(to.rows);
    if (to.rows > 0) {
      const double distance = sum / count;
      mean = (shift == nullptr ? 0.0 : static_cast<double>(shift[channel])) + distance;
      squares = sum_of_squares - sum * distance;
      if (squares < 0) squares = 0;  // a NaN stays one
    }
    const double variance = squares / fmax(1.0, count);
    to.mean[channel] = static_cast<float>(mean);
    to.inv_std[channel] = static_cast<float>(1 / sqrt(variance + static_cast<double>(to.epsilon)));
    if (to.rows == 0) return;
    Blend(to.running_mean, channel, mean);
    Blend(to.running_var, channel, squares / fmax(1.0, count - 1));
  }
};

struct FinishGradients {
  BatchGradients to;

  __device__ __forceinline__ void Store(float* gradient, std::int64_t channel, double value) const {
    if (gradient == nullptr) return;
    const double before = to.accumulate ? static_cast<double>(gradient[channel]) : 0.0;
    gradient[channel] = static_cast<float>(before + value);
  }

  __device__ __forceinline__ void operator()(std::int64_t channel, double sum,
                                             double projection) const {
    const double inv_std = static_cast<double>(to.inv_std[channel]);
    const double scale = static_cast<double>(to.gamma[channel]) * inv_std;
    const double count = fmax(1.0, static_cast<double>(to.rows));
    to.slope[channel] = static_cast<float>(-scale * projection * inv_std * inv_std / count);
    to.offset[channel] = static_cast<float>(-scale * sum / count);
    Store(to.dgamma, channel, projection * inv_std);
    Store(to.dbeta, channel, sum);
  }
};

}  // namespace nasengine::cuda
