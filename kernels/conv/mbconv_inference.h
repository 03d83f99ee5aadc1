// The MBConv block as shipped, batch norms folded into its convolutions, as one operator: expand,
// activation, depthwise, activation, project, and the input added where the block is residual.
//   x (n, h, w, c_in)   y (n, out_h, out_w, c_out)   contiguous, f32
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv/mbconv.h"
#include "kernels/core/activation.h"
#include "kernels/core/tensor.h"

namespace nasengine {

// The weights of a block in the order in which our kernel for the CPU reads them, for one
// instruction set. On other devices there are none.
struct PackedMbconv {
  // Parts of the expanded channels, each packed for itself: as many as threads share them, or 1
  // where threads share the rows instead.
  std::int64_t slices = 1;
  Tensor expand{};  // not defined without an expansion
  Tensor project{};
};

// y is neither x nor a part of it. Without an expansion (expand.w empty) expanded is c_in.
struct MbconvInference {
  static constexpr const char* kName = "mbconv_inference";
  // w as in pointwise_conv.h and depthwise_conv.h, bias (c).
  struct Stage {
    ConstView w;
    ConstView bias;
  };
  struct Args {
    MbconvGeometry geometry;
    Activation activation = Activation::kRelu6;
    bool residual = false;
    ConstView x;
    Stage expand;
    Stage depthwise;
    Stage project;
    // What PackMbconv made of these weights; whoever holds them keeps it. Without, others than our
    // kernel for the CPU serve.
    const PackedMbconv* packed = nullptr;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static std::vector<double> ErrorScales(Context& context, const Args& args);
};

// For as many threads as the context has; a run obeys what it finds. Throws kInvalidArgument for
// arguments that the operator would refuse.
PackedMbconv PackMbconv(Context& context, const MbconvInference::Args& args);

// One registration function per implementation; kernels/register calls them. The reference and
// `composed` run the block's operators one after another.
void RegisterMbconvInferenceReference(KernelRegistry& registry);
void RegisterMbconvInferenceComposed(KernelRegistry& registry);
void RegisterMbconvInferenceComposedCuda(KernelRegistry& registry);
void RegisterMbconvInferenceHighway(KernelRegistry& registry);

}  // namespace nasengine
