// The gradient of a fully connected layer's bias: sums of dy's columns, block by block.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

inline constexpr int kSumColumns = 32;
inline constexpr int kSumLanes = 8;
inline constexpr int kSumRows = 128;  // of a block

// parts (blocks of rows, columns) = the sums of each block of rows of dy (rows, columns).
// grid = (pieces of columns, blocks of rows)
template <class T>
__global__ void __launch_bounds__(kSumColumns* kSumLanes)
    ColumnSums(const T* __restrict__ dy, std::int64_t rows, std::int64_t columns,
               float* __restrict__ parts) {
  NAS_SHARED(float, shared, kSumColumns* kSumLanes);
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread / kSumColumns;
  const std::int64_t column = std::int64_t{blockIdx.x} * kSumColumns + thread % kSumColumns;
  const std::int64_t first = std::int64_t{blockIdx.y} * kSumRows;
  float sum = 0;
  if (column < columns) {
#pragma unroll 4
    for (int i = lane; i < kSumRows; i += kSumLanes) {
      if (first + i < rows) sum += ToFloat(dy[(first + i) * columns + column]);
    }
  }
  shared[thread] = sum;
  __syncthreads();
  if (lane != 0 || column >= columns) return;
#pragma unroll
  for (int other = 1; other < kSumLanes; ++other) sum += shared[other * kSumColumns + thread];
  parts[blockIdx.y * columns + column] = sum;
}

}  // namespace nasengine::cuda
