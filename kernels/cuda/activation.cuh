// The activations and their masks in device code, with the very expressions of the references.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/core/activation.h"
#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

// A NaN stays one.
__device__ __forceinline__ float Activate(float value, Activation activation) {
  if (activation == Activation::kNone) return value;
  if (value < 0) return 0;
  return activation == Activation::kRelu6 && value > 6 ? 6.0f : value;
}

// Whether the activation lets the gradient through at `value`, its input or its output.
__device__ __forceinline__ bool PassesGradient(float value, Activation activation) {
  if (activation == Activation::kNone) return true;
  return value > 0 && (activation == Activation::kRelu || value < 6);
}

}  // namespace nasengine::cuda
