// The kernel behind sum_parts.h.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

inline constexpr int kPartElements = 16;  // of a block, threadIdx.x
inline constexpr int kPartRows = 16;      // threads that share an element's parts, threadIdx.y

// Where an element of the parts belongs in the result.
struct SamePlace {
  __device__ __forceinline__ std::int64_t operator()(std::int64_t element) const { return element; }
};
struct TurnedPlace {
  std::int64_t rows;
  std::int64_t columns;
  __device__ __forceinline__ std::int64_t operator()(std::int64_t element) const {
    return element % rows * columns + element / rows;
  }
};

template <class Place>
__global__ void __launch_bounds__(kPartElements* kPartRows)
    SumPartsKernel(const float* __restrict__ partial, std::int64_t parts, std::int64_t elements,
                   Place place, bool accumulate, float* __restrict__ result) {
  NAS_SHARED(float, rows, kPartElements* kPartRows);
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  const std::int64_t element = static_cast<std::int64_t>(blockIdx.x) * kPartElements + tx;
  float sum = 0.f;
  if (element < elements) {
#pragma unroll 4
    for (std::int64_t part = ty; part < parts; part += kPartRows) {
      sum += partial[part * elements + element];
    }
  }
  rows[ty * kPartElements + tx] = sum;
  __syncthreads();
  if (ty == 0 && element < elements) {
    sum = 0.f;
    for (int row = 0; row < kPartRows; ++row) sum += rows[row * kPartElements + tx];
    const std::int64_t at = place(element);
    result[at] = accumulate ? result[at] + sum : sum;
  }
}

}  // namespace nasengine::cuda
