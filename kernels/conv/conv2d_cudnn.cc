// Dense convolution by cuDNN.
// SPDX-License-Identifier: MIT
#include "kernels/conv/conv_check.h"
#include "kernels/conv/conv_cudnn.h"

namespace nasengine {
namespace {

using cuda::ConvCall;
using cuda::ConvDirection;
using cuda::ConvKind;

ConvCall Forward(const Conv2dForward::Args& args) {
  return {.direction = ConvDirection::kForward,
          .kind = ConvKind::kDense,
          .geometry = args.geometry,
          .x = args.x,
          .w = args.w,
          .y = args.y,
          .bias = args.bias,
          .activation = args.activation};
}

ConvCall BackwardData(const Conv2dBackwardData::Args& args) {
  return {.direction = ConvDirection::kBackwardData,
          .kind = ConvKind::kDense,
          .geometry = args.geometry,
          .x = args.dx,
          .w = args.w,
          .y = args.dy};
}

ConvCall BackwardWeights(const Conv2dBackwardWeights::Args& args) {
  return {.direction = ConvDirection::kBackwardWeights,
          .kind = ConvKind::kDense,
          .geometry = args.geometry,
          .x = args.x,
          .w = args.dw,
          .y = args.dy,
          .accumulate = args.accumulate};
}

}  // namespace

void RegisterConv2dCudnn(KernelRegistry& registry) {
  cuda::RegisterCudnn<Conv2dForward>(registry, Forward);
  cuda::RegisterCudnn<Conv2dBackwardData>(registry, BackwardData);
  cuda::RegisterCudnn<Conv2dBackwardWeights>(registry, BackwardWeights);
}

}  // namespace nasengine
