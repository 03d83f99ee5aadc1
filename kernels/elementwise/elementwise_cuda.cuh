// What the elementwise kernels do with an element, and the sums of an inner product.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/block_reduce.cuh"
#include "kernels/cuda/philox.cuh"

namespace nasengine::cuda {

struct AddElements {
  __device__ __forceinline__ float operator()(std::int64_t, float a, float b) const {
    return a + b;
  }
};

struct AxpyElements {
  float alpha;
  __device__ __forceinline__ float operator()(std::int64_t, float x, float y) const {
    return fmaf(alpha, x, y);
  }
};

struct ScaleElement {
  float alpha;
  __device__ __forceinline__ float operator()(std::int64_t, float x) const {
    return alpha == 0 ? 0.0f : alpha * x;
  }
};

struct CopyElement {
  __device__ __forceinline__ float operator()(std::int64_t, float x) const { return x; }
};

struct DropElement {
  RngStream stream;
  float rate;
  float kept_scale;
  __device__ __forceinline__ float operator()(std::int64_t i, float x) const {
    return RandomUniform(stream, static_cast<std::uint64_t>(i)) >= rate ? x * kept_scale : 0.0f;
  }
};

inline constexpr int kInnerProductThreads = 256;
// Vectors of each tensor that a thread loads at once. Their products are summed in f32, at most 32
// of them, and these sums in f64.
inline constexpr int kProductVectors = 4;

// partial[block] = the sum of a[i] * b[i] over the block's share of the elements.
template <class T, int V>
__global__ void __launch_bounds__(kInnerProductThreads)
    SumProducts(const T* __restrict__ a, const T* __restrict__ b, std::int64_t n,
                double* __restrict__ partial) {
  NAS_SHARED(double, shared, kInnerProductThreads / kWarp);
  const std::int64_t vectors = n / V;
  const std::int64_t thread = std::int64_t{blockIdx.x} * kInnerProductThreads + threadIdx.x;
  const std::int64_t threads = std::int64_t{gridDim.x} * kInnerProductThreads;
  double sum = 0;
  for (std::int64_t first = thread; first < vectors; first += kProductVectors * threads) {
    Vector<T, V> x[kProductVectors], y[kProductVectors];
#pragma unroll
    for (int j = 0; j < kProductVectors; ++j) {
      x[j].Clear();
      y[j].Clear();
      const std::int64_t vector = first + j * threads;
      if (vector < vectors) {
        x[j].LoadReadOnly(a + vector * V);
        y[j].LoadReadOnly(b + vector * V);
      }
    }
    float products[kProductVectors] = {};
#pragma unroll
    for (int j = 0; j < kProductVectors; ++j) {
#pragma unroll
      for (int i = 0; i < V; ++i) products[j] = fmaf(x[j].Get(i), y[j].Get(i), products[j]);
    }
    sum += static_cast<double>((products[0] + products[1]) + (products[2] + products[3]));
  }
  if constexpr (V > 1) {
    const std::int64_t rest = vectors * V + thread;
    if (rest < n) sum += static_cast<double>(ToFloat(a[rest]) * ToFloat(b[rest]));
  }
  sum = BlockReduce<kInnerProductThreads>(sum, shared, Sum());
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

}  // namespace nasengine::cuda
