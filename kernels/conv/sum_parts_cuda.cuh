// The kernel behind sum_parts_cuda.h.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

inline constexpr int kSumLanes = 16;  // elements of a block, threadIdx.x
inline constexpr int kSumRows = 16;   // threads that share an element's parts, threadIdx.y

template <int kRows>
__global__ void __launch_bounds__(kSumLanes* kRows)
    SumPartsKernel(const float* __restrict__ partial, std::int64_t parts, std::int64_t elements,
                   bool accumulate, float* __restrict__ result) {
  NAS_SHARED(float, rows, kRows* kSumLanes);
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  const std::int64_t element = static_cast<std::int64_t>(blockIdx.x) * kSumLanes + tx;
  float sum = 0.f;
  if (element < elements) {
    for (std::int64_t part = ty; part < parts; part += kRows) {
      sum += partial[part * elements + element];
    }
  }
  rows[ty * kSumLanes + tx] = sum;
  __syncthreads();
  if (ty == 0 && element < elements) {
    sum = 0.f;
    for (int row = 0; row < kRows; ++row) sum += rows[row * kSumLanes + tx];
    result[element] = accumulate ? result[element] + sum : sum;
  }
}

}  // namespace nasengine::cuda
