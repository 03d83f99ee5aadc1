// Sums and maxima over the threads of a block, and over the partial results of blocks, in an order
// that never changes.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

// Joins the values of all kThreads threads of a block, whole warps of them; every thread gets the
// result. `shared` (kThreads / kWarp) may be used again at once.
template <int kThreads, class T, class Join>
__device__ __forceinline__ T BlockReduce(T value, T* shared, const Join& join) {
  constexpr int kWarps = kThreads / kWarp;
  static_assert(kThreads % kWarp == 0);
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value = join(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = shared[0];
#pragma unroll
  for (int warp = 1; warp < kWarps; ++warp) value = join(value, shared[warp]);
  __syncthreads();
  return value;
}

struct Sum {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};

struct Largest {
  __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// result = the sum of partial[0..count), times `factor`; one block of kSumThreads.
inline constexpr int kSumThreads = 256;
template <class Result>
__global__ void __launch_bounds__(kSumThreads)
    SumPartials(const double* __restrict__ partial, std::int64_t count, double factor,
                Result* __restrict__ result) {
  NAS_SHARED(double, shared, kSumThreads / kWarp);
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kSumThreads) sum += partial[i];
  sum = BlockReduce<kSumThreads>(sum, shared, Sum());
  if (threadIdx.x == 0) *result = static_cast<Result>(sum * factor);
}

}  // namespace nasengine::cuda
