// What the activation kernels do with an element.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/activation.cuh"

namespace nasengine::cuda {

struct ActivateElement {
  Activation activation;
  __device__ __forceinline__ float operator()(std::int64_t, float x) const {
    return Activate(x, activation);
  }
};

struct PassElement {
  Activation activation;
  __device__ __forceinline__ float operator()(std::int64_t, float y, float dy) const {
    return PassesGradient(y, activation) ? dy : 0.0f;
  }
};

}  // namespace nasengine::cuda
