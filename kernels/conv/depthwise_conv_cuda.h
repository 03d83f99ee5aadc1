// The pieces of our CUDA depthwise convolution as its host side calls them. The fast kernels take
// 3x3, 5x5 and 7x7 of stride 1 and 2 where channels and addresses allow vectors; plain ones the
// rest.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv/conv_geometry.h"
#include "kernels/conv/depthwise_conv_cuda_plan.h"
#include "kernels/core/activation.h"
#include "kernels/core/context.h"

namespace nasengine::cuda {

// A map from one NHWC tensor to another.
struct DepthwiseMap {
  ConvGeometry geometry;
  DType dtype = DType::kF32;
  const void* in = nullptr;
  const void* w = nullptr;
  const float* bias = nullptr;  // null for none
  void* out = nullptr;
  Activation activation = Activation::kNone;
};

// Both tensors are read.
struct DepthwiseGradient {
  ConvGeometry geometry;
  DType dtype = DType::kF32;
  const void* x = nullptr;
  const void* dy = nullptr;
  float* dw = nullptr;
  bool accumulate = false;
};

// Run what the name says and return true, or return false where the fast kernels do not take it.
bool MarchForward(Context& context, const DepthwiseMap& map);
bool MarchBackwardData(Context& context, const DepthwiseMap& map);
bool MarchBackwardWeights(Context& context, const DepthwiseGradient& job);
// Backward-data of stride 2 and pad kernel / 2 alone.
bool MarchStride2Gradient(Context& context, const DepthwiseMap& map);

// What MarchBackwardWeights asks of the workspace; 0 where it returns false.
std::size_t MarchWeightsBytes(Context& context, const DepthwiseGradient& job);

// Take every geometry.
void PlainForward(Context& context, const DepthwiseMap& map);
void PlainBackwardData(Context& context, const DepthwiseMap& map);
void PlainBackwardWeights(Context& context, const DepthwiseGradient& job);
std::size_t PlainWeightsBytes(Context& context, const DepthwiseGradient& job);

// Whether vectors of `bytes` may be read at `data`, where each pixel is `pixel_bytes`.
inline bool TakesVectors(const void* data, std::int64_t pixel_bytes, std::int64_t bytes) {
  return reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uintptr_t>(bytes) == 0 &&
         pixel_bytes % bytes == 0;
}

}  // namespace nasengine::cuda
