// Device code of vendor_steps.h.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "kernels/core/activation.h"
#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

// Written so that a NaN stays one.
__device__ __forceinline__ float Activated(float value, Activation activation) {
  if (activation == Activation::kNone) return value;
  if (value < 0) return 0;
  return activation == Activation::kRelu6 && value > 6 ? 6 : value;
}

// A thread owns `V` neighbouring elements; `row` is vectors of the last axis.
template <class From, class To, int V>
__global__ void AddBiasAndActivateKernel(const From* from, const float* bias, Activation activation,
                                         To* to, std::uint32_t vectors, std::uint32_t row) {
  const std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= vectors) return;
  const std::size_t at = static_cast<std::size_t>(i) * V;
  Vector<From, V> value;
  value.Load(from + at);
  Vector<float, V> shift;
  shift.Clear();
  if (bias != nullptr) shift.LoadReadOnly(bias + static_cast<std::size_t>(i % row) * V);
  float result[V];
#pragma unroll
  for (int j = 0; j < V; ++j) result[j] = Activated(value.Get(j) + shift.Get(j), activation);
  Vector<To, V> out;
  out.Set(result);
  out.Store(to + at);
}

template <int V>
__global__ void AddToKernel(const float* from, float* to, std::uint32_t vectors) {
  const std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= vectors) return;
  const std::size_t at = static_cast<std::size_t>(i) * V;
  Vector<float, V> value, sum;
  value.LoadReadOnly(from + at);
  sum.Load(to + at);
  float result[V];
#pragma unroll
  for (int j = 0; j < V; ++j) result[j] = sum.Get(j) + value.Get(j);
  sum.Set(result);
  sum.Store(to + at);
}

inline constexpr int kColumnWarps = 8;  // that share the rows of their columns

// Block (kWarp, kColumnWarps): a lane for each column, a warp for every kColumnWarps-th row.
template <class T>
__global__ void SumColumnsKernel(const T* from, float* to, std::int64_t rows, std::int64_t columns,
                                 bool accumulate) {
  NAS_SHARED(float, partial, kWarp* kColumnWarps);
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kWarp + threadIdx.x;
  float sum = 0;
  if (column < columns) {
    for (std::int64_t i = threadIdx.y; i < rows; i += kColumnWarps) {
      sum += ToFloat(from[i * columns + column]);
    }
  }
  partial[threadIdx.y * kWarp + threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && column < columns) {
    float total = accumulate ? to[column] : 0;
#pragma unroll
    for (int j = 0; j < kColumnWarps; ++j) total += partial[j * kWarp + threadIdx.x];
    to[column] = total;
  }
}

}  // namespace nasengine::cuda
