// What a channel adds to the inner product of a gradient with a batch norm's result.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

// For FinaliseSums (batch_norm_cuda.cuh). One number a channel each, on the device.
struct FinishInnerProduct {
  const float* gamma;
  const float* beta;
  const float* inv_std;
  double* products;

  __device__ __forceinline__ void operator()(std::int64_t channel, double sum,
                                             double projection) const {
    const double scale =
        static_cast<double>(gamma[channel]) * static_cast<double>(inv_std[channel]);
    products[channel] = scale * projection + static_cast<double>(beta[channel]) * sum;
  }
};

}  // namespace nasengine::cuda
