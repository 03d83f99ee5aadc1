// Products whose depth is split among blocks, which are those of a weights' gradient: few results,
// each the sum of as many terms as the images have pixels. Blocks write their parts, (splits, rows,
// columns) in f32, which are then added up in a fixed order.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "kernels/conv/matrix_product_cuda.cuh"

namespace nasengine::cuda {

inline constexpr int kSplitElements = 32;
inline constexpr int kSplitStrips = 8;

// to (rows, columns) = the sum of `splits` parts, or += where it accumulates. Parts are (rows,
// columns), or (columns, rows) where they lie turned.
struct SplitSum {
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t splits;
  bool turned;
  bool accumulate;
};

template <class Part>
__global__ void __launch_bounds__(kSplitElements* kSplitStrips)
    SumSplits(const Part* __restrict__ parts, SplitSum sum, float* __restrict__ to) {
  NAS_SHARED(float, shared, kSplitElements* kSplitStrips);
  const int thread = static_cast<int>(threadIdx.x);
  const int strip = thread / kSplitElements;
  const std::int64_t count = sum.rows * sum.columns;
  const std::int64_t element = std::int64_t{blockIdx.x} * kSplitElements + thread % kSplitElements;
  float total = 0;
  if (element < count) {
#pragma unroll 4
    for (std::int64_t split = strip; split < sum.splits; split += kSplitStrips) {
      total += parts[split * count + element];
    }
  }
  shared[thread] = total;
  __syncthreads();
  if (strip != 0 || element >= count) return;
#pragma unroll
  for (int other = 1; other < kSplitStrips; ++other) {
    total += shared[other * kSplitElements + thread];
  }
  const std::int64_t at =
      sum.turned ? element % sum.rows * sum.columns + element / sum.rows : element;
  to[at] = sum.accumulate ? to[at] + total : total;
}

inline void RunSplitSum(Context& context, const char* name, const float* parts, const SplitSum& sum,
                        float* to) {
  Launch(context, name, &SumSplits<float>,
         {.grid = dim3(static_cast<unsigned>(DivideUp(sum.rows * sum.columns, kSplitElements))),
          .block = dim3(kSplitElements * kSplitStrips)},
         parts, sum, to);
}

}  // namespace nasengine::cuda
