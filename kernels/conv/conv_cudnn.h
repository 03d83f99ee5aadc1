// Dense and depthwise convolution by cuDNN: what is asked of it, and the steps around it that it
// does not take. For conv2d_cudnn.cc and depthwise_conv_cudnn.cc.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "kernels/conv/conv_geometry.h"
#include "kernels/core/activation.h"
#include "kernels/core/context.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/core/tensor.h"
#include "kernels/cuda/cudnn_graph.h"

namespace nasengine::cuda {

enum class ConvKind { kDense, kDepthwise };

// What cuDNN computes for tensors stored as `dtype`. It computes in f32, between conversions, where
// it has no engine that keeps our contract: none adds up bf16 images to f32 weights, and a bias
// added to what was rounded to bf16 would round twice.
inline CudnnConvolution AskCudnn(ConvDirection direction, ConvKind kind, const ConvGeometry& g,
                                 DType dtype, bool has_bias = false) {
  const bool widened = direction == ConvDirection::kBackwardWeights || has_bias;
  return DescribeConvolution(direction, g, kind == ConvKind::kDepthwise ? g.c_in : 1,
                             widened ? DType::kF32 : dtype);
}

// The arguments of any of the operators. Of x, w and y the one that `direction` says is the
// gradient or the result that is written.
struct ConvCall {
  ConvDirection direction;
  ConvKind kind;
  ConvGeometry geometry;
  ConstView x;
  ConstView w;
  ConstView y;
  ConstView bias{};
  Activation activation = Activation::kNone;
  bool accumulate = false;
};

std::string CudnnDeclines(Context& context, const ConvCall& call);
std::size_t CudnnWorkspace(Context& context, const ConvCall& call);
void RunCudnn(Context& context, const ConvCall& call);

// Registers a kernel named "cudnn" whose arguments are `call`'s.
template <class Op>
void RegisterCudnn(KernelRegistry& registry, ConvCall (*call)(const typename Op::Args&)) {
  using Args = typename Op::Args;
  KernelEntry<Op> entry;
  entry.impl = Impl::kVendor;
  entry.name = "cudnn";
  entry.device = DeviceType::kCuda;
  entry.declines = [call](Context& context, const Args& args) {
    return CudnnDeclines(context, call(args));
  };
  entry.workspace_bytes = [call](Context& context, const Args& args) {
    return CudnnWorkspace(context, call(args));
  };
  entry.run = [call](Context& context, const Args& args) {
    CheckArguments(args);
    RunCudnn(context, call(args));
  };
  registry.Register(std::move(entry));
}

}  // namespace nasengine::cuda
