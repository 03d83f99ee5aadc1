// Depthwise convolution: each channel has its own kernel; geometry has c_in == c_out.
//   x (n, h, w, c_in)   w (kernel, kernel, c)   y (n, out_h, out_w, c_out)   contiguous
// x, w, y and the gradients dx, dy have one type, f32 or bf16 (the reference: or f64). The bias and
// dw, the gradient of the master weights, are f32 beside both (f64 beside f64); so are all sums.
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/conv/conv_geometry.h"
#include "kernels/core/activation.h"
#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

// y = activation(x * w + bias). `bias` (c_out) may be empty. y is overwritten.
struct DepthwiseConvForward {
  static constexpr const char* kName = "depthwise_conv_forward";
  struct Args {
    ConvGeometry geometry;
    ConstView x;
    ConstView w;
    ConstView bias;
    Activation activation = Activation::kNone;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
  static KernelShape ShapeOf(const Args& args) {
    return nasengine::ShapeOf(args.geometry, args.x.dtype);
  }
};

// dx = the gradient of sum(y * dy) with respect to x, for activation kNone. dx is overwritten.
struct DepthwiseConvBackwardData {
  static constexpr const char* kName = "depthwise_conv_backward_data";
  struct Args {
    ConvGeometry geometry;
    ConstView dy;
    ConstView w;
    View dx;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
  static KernelShape ShapeOf(const Args& args) {
    return nasengine::ShapeOf(args.geometry, args.dy.dtype);
  }
};

// dw = the gradient of sum(y * dy) with respect to w; overwritten, or added to if `accumulate`.
struct DepthwiseConvBackwardWeights {
  static constexpr const char* kName = "depthwise_conv_backward_weights";
  struct Args {
    ConvGeometry geometry;
    ConstView x;
    ConstView dy;
    View dw;
    bool accumulate = false;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
  static KernelShape ShapeOf(const Args& args) {
    return nasengine::ShapeOf(args.geometry, args.x.dtype);
  }
};

// One registration function per implementation; kernels/register calls them.
void RegisterDepthwiseConvReference(KernelRegistry& registry);
void RegisterDepthwiseConvCudnn(KernelRegistry& registry);
void RegisterDepthwiseConvHighway(KernelRegistry& registry);
void RegisterDepthwiseConvOnednn(KernelRegistry& registry);
void RegisterDepthwiseConvCuda(KernelRegistry& registry);

}  // namespace nasengine
