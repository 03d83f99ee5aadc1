// A 1x1 convolution as shipped, its weights packed once for every image to come; with h = w = 1 a
// linear layer.
//   x (n, h, w, c_in)   w (c_out, c_in)   y (n, h, w, c_out)   contiguous, f32
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/conv/conv_geometry.h"
#include "kernels/core/activation.h"
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace nasengine {

// y = activation(x * w + bias). Geometry as in pointwise_conv.h.
struct PointwiseInference {
  static constexpr const char* kName = "pointwise_inference";
  struct Args {
    ConvGeometry geometry;
    ConstView x;
    ConstView w;
    ConstView bias;
    Activation activation = Activation::kNone;
    // What PackPointwise made of w. Without, others than our kernel for the CPU serve.
    const Tensor* packed = nullptr;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// w in the order in which our kernel for the CPU reads it, for one instruction set; not defined on
// other devices.
Tensor PackPointwise(Context& context, ConstView w);

// One registration function per implementation; kernels/register calls them. The reference and
// `composed` are those of pointwise_conv.h.
void RegisterPointwiseInferenceReference(KernelRegistry& registry);
void RegisterPointwiseInferenceComposed(KernelRegistry& registry);
void RegisterPointwiseInferenceComposedCuda(KernelRegistry& registry);
void RegisterPointwiseInferenceHighway(KernelRegistry& registry);

}  // namespace nasengine
