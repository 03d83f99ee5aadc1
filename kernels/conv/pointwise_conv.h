// 1x1 convolution, a matrix product over n*h*w rows; geometry has kernel 1, stride 1, pad 0.
//   x (n, h, w, c_in)   w (c_out, c_in)   y (n, out_h, out_w, c_out)   contiguous
// x, y, dx, dy and w have one type, f32 or bf16; bias and dw are f32. Sums are f32.
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/conv/conv_geometry.h"
#include "kernels/core/activation.h"
#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

// y = activation(x * w + bias). `bias` (c_out) may be empty. y is overwritten.
struct PointwiseConvForward {
  static constexpr const char* kName = "pointwise_conv_forward";
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
};

// dx = the gradient of sum(y * dy) with respect to x, for activation kNone. dx is overwritten.
struct PointwiseConvBackwardData {
  static constexpr const char* kName = "pointwise_conv_backward_data";
  struct Args {
    ConvGeometry geometry;
    ConstView dy;
    ConstView w;
    View dx;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// dw = the gradient of sum(y * dy) with respect to w; overwritten, or added to if `accumulate`.
struct PointwiseConvBackwardWeights {
  static constexpr const char* kName = "pointwise_conv_backward_weights";
  struct Args {
    ConvGeometry geometry;
    ConstView x;
    ConstView dy;
    View dw;
    bool accumulate = false;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// One registration function per implementation; kernels/register calls them.
void RegisterPointwiseConvReference(KernelRegistry& registry);
void RegisterPointwiseConvCublaslt(KernelRegistry& registry);
void RegisterPointwiseConvOnednn(KernelRegistry& registry);
void RegisterPointwiseConvCuda(KernelRegistry& registry);

}  // namespace nasengine
