// What a kernel makes of an element that it reads, before it computes with it: itself, its batch
// norm, or its gradient taken back through one. So a normalised tensor need not exist.
//
// A transform with tables has
//   kInputs 1 or 2; with 2, `second`, a tensor like the one that is read
//   void Fill(channel, float* to) const        the kTables numbers of a channel
//   float operator()(const float* inputs, const float* numbers) const
// and makes 0 of zeros where the numbers are zeros.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/norm/batch_norm_apply_cuda.cuh"

namespace nasengine::cuda {

template <class T>
struct Unchanged {
  static constexpr int kInputs = 1;
  static constexpr int kTables = 0;
};

// activation(gamma * (x - mean) * inv_std + beta).
template <class T>
struct Normalised {
  static constexpr int kInputs = 1;
  static constexpr int kTables = 3;

  NormParameters norm;

  __device__ __forceinline__ void Fill(std::int64_t channel, float* to) const {
    FillAffine(norm, channel, to);
  }
  __device__ __forceinline__ float operator()(const float* inputs, const float* numbers) const {
    return Activate(NormValue(inputs[0] - numbers[0], numbers[1], numbers[2]), norm.activation);
  }
};

// gamma * inv_std * g + slope * (x - mean) + offset, g being what the norm's activation has passed,
// and x what the norm has read.
template <class T>
struct NormGradient {
  static constexpr int kInputs = 2;
  static constexpr int kTables = 4;

  const T* second;  // x
  NormParameters norm;
  const float* slope;
  const float* offset;

  __device__ __forceinline__ void Fill(std::int64_t channel, float* to) const {
    FillAffine(norm, channel, to);
    to[2] = slope[channel];
    to[3] = offset[channel];
  }
  __device__ __forceinline__ float operator()(const float* inputs, const float* numbers) const {
    return fmaf(inputs[0], numbers[1], fmaf(inputs[1] - numbers[0], numbers[2], numbers[3]));
  }
};

}  // namespace nasengine::cuda
