// Depthwise convolution by cuDNN, whose weights and their gradient go through a copy in its order.
//
// Slow spots of cuDNN 9.19, measured on an H200 beside our kernels, which the kernel policy
// therefore prefers: backward-data at stride 2 (3 to 10 times), backward-weights of 7x7 in f32 (100
// times). Backward-weights of bf16 images runs in f32 (conv_cudnn.h).
// SPDX-License-Identifier: MIT
#include "kernels/conv/conv_cudnn.h"
#include "kernels/conv/depthwise_conv_check.h"

namespace nasengine {
namespace {

using cuda::ConvCall;
using cuda::ConvDirection;
using cuda::ConvKind;

ConvCall Forward(const DepthwiseConvForward::Args& args) {
  return {.direction = ConvDirection::kForward,
          .kind = ConvKind::kDepthwise,
          .geometry = args.geometry,
          .x = args.x,
          .w = args.w,
          .y = args.y,
          .bias = args.bias,
          .activation = args.activation};
}

ConvCall BackwardData(const DepthwiseConvBackwardData::Args& args) {
  return {.direction = ConvDirection::kBackwardData,
          .kind = ConvKind::kDepthwise,
          .geometry = args.geometry,
          .x = args.dx,
          .w = args.w,
          .y = args.dy};
}

ConvCall BackwardWeights(const DepthwiseConvBackwardWeights::Args& args) {
  return {.direction = ConvDirection::kBackwardWeights,
          .kind = ConvKind::kDepthwise,
          .geometry = args.geometry,
          .x = args.x,
          .w = args.dw,
          .y = args.dy,
          .accumulate = args.accumulate};
}

}  // namespace

void RegisterDepthwiseConvCudnn(KernelRegistry& registry) {
  cuda::RegisterCudnn<DepthwiseConvForward>(registry, Forward);
  cuda::RegisterCudnn<DepthwiseConvBackwardData>(registry, BackwardData);
  cuda::RegisterCudnn<DepthwiseConvBackwardWeights>(registry, BackwardWeights);
}

}  // namespace nasengine
