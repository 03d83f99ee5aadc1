// Device code of depthwise_conv_cudnn_layout.h. A thread owns an element in our order, so that its
// side is read or written in whole lines; the weights are small.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

template <class From, class To>
__global__ void ToCudnnWeightsKernel(const From* from, To* to, std::uint32_t channels,
                                     std::uint32_t taps) {
  const std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= channels * taps) return;
  to[i % channels * taps + i / channels] = FromFloat<To>(ToFloat(from[i]));
}

inline __global__ void FromCudnnWeightsKernel(const float* from, float* to, std::uint32_t channels,
                                              std::uint32_t taps, bool accumulate) {
  const std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= channels * taps) return;
  const float before = accumulate ? to[i] : 0;
  to[i] = before + from[i % channels * taps + i / channels];
}

}  // namespace nasengine::cuda
