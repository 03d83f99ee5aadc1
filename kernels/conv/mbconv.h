// The MBConv block in training as one operator: expand, batch norm, activation, depthwise, batch
// norm, activation, project, batch norm. [Sandler et al. 2018]
//   x (n, h, w, c_in)   e1 (n, h, w, expanded)   e2 (n, out_h, out_w, expanded)
//   o y (n, out_h, out_w, c_out)   contiguous
// These, their gradients and the weights have one type, f32 or bf16; batch norms and the gradients
// of parameters are f32, and so are all sums.
// e1, e2 and o are what the three convolutions give, before their batch norms: all that backward
// reads beside x, and half of what seven separate operators would keep.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/conv/conv_geometry.h"
#include "kernels/core/activation.h"
#include "kernels/core/tensor.h"

namespace nasengine {

class Context;
class KernelRegistry;

struct MbconvGeometry {
  std::int64_t n = 0;
  std::int64_t h = 0;
  std::int64_t w = 0;
  std::int64_t c_in = 0;
  std::int64_t expanded = 0;
  std::int64_t c_out = 0;
  std::int64_t kernel = 3;  // odd; the padding is kernel / 2
  std::int64_t stride = 1;

  ConvGeometry expand() const;
  ConvGeometry depthwise() const;
  ConvGeometry project() const;
  Shape InputShape() const { return {n, h, w, c_in}; }
  Shape E1Shape() const { return {n, h, w, expanded}; }
  Shape E2Shape() const;
  Shape OutputShape() const;
  friend bool operator==(const MbconvGeometry&, const MbconvGeometry&) = default;
};

// "128x28x28x8->48->24 k3 s1".
inline std::string ToString(const MbconvGeometry& g) {
  return ToString(g.InputShape()) + "->" + std::to_string(g.expanded) + "->" +
         std::to_string(g.c_out) + " k" + std::to_string(g.kernel) + " s" +
         std::to_string(g.stride);
}

// By which the kernel policy knows a block. Its input channels are the expanded ones: most of the
// work is on them.
inline KernelShape ShapeOf(const MbconvGeometry& g, DType dtype) {
  return {.dtype = dtype,
          .kernel = g.kernel,
          .stride = g.stride,
          .width = g.w,
          .rows = g.n * g.h * g.w,
          .c_in = g.expanded,
          .c_out = g.c_out};
}

// What every batch norm and activation of the block share. The activation follows the first two;
// the third has none.
struct MbconvNorm {
  float epsilon = 1e-3f;
  float momentum = 0.1f;
  Activation activation = Activation::kRelu6;
};

// One convolution with its batch norm. w as in pointwise_conv.h and depthwise_conv.h, the rest (c).
struct MbconvStage {
  ConstView w;
  ConstView gamma;
  ConstView beta;
};

// y = the block's output, without a residual. Without an expansion (expand.w empty) expanded is
// c_in, the depthwise convolution reads x itself, and e1 is empty. Running statistics, when given,
// move as in batch_norm.h. For a second computation of what backward reads, y may be empty, or all
// of e2, o and y: then only the expansion is computed.
struct MbconvForward {
  static constexpr const char* kName = "mbconv_forward";
  struct Statistics {
    View mean;
    View inv_std;
    View running_mean;  // empty: not updated
    View running_var;   // empty: not updated
  };
  struct Args {
    MbconvGeometry geometry;
    MbconvNorm norm;
    ConstView x;
    MbconvStage expand;
    MbconvStage depthwise;
    MbconvStage project;
    View e1;
    View e2;
    View o;
    View y;
    Statistics expand_statistics;
    Statistics depthwise_statistics;
    Statistics project_statistics;
  };
  static std::vector<View*> Outputs(Args& args);
  static std::vector<double> ErrorScales(Context& context, const Args& args);
  static KernelShape ShapeOf(const Args& args) {
    return nasengine::ShapeOf(args.geometry, args.x.dtype);
  }
};

// The gradients of sum(y * dy). e1, e2, o and the statistics are the forward pass's. The parameter
// gradients may all be empty (not wanted); otherwise they are overwritten, or added to if
// `accumulate`. x is read for them alone and may be empty without them. dx may be empty. g2 (e2's
// shape) and g1 (e1's) are scratch, left undefined; under stride 1 both may be the same tensor. g1
// is empty without an expansion.
struct MbconvBackward {
  static constexpr const char* kName = "mbconv_backward";
  struct Statistics {
    ConstView mean;
    ConstView inv_std;
  };
  struct StageGradient {
    View dw;
    View dgamma;
    View dbeta;
  };
  struct Args {
    MbconvGeometry geometry;
    MbconvNorm norm;
    ConstView x;
    ConstView e1;
    ConstView e2;
    ConstView o;
    ConstView dy;
    MbconvStage expand;
    MbconvStage depthwise;
    MbconvStage project;
    Statistics expand_statistics;
    Statistics depthwise_statistics;
    Statistics project_statistics;
    View g1;
    View g2;
    View dx;
    StageGradient expand_gradient;
    StageGradient depthwise_gradient;
    StageGradient project_gradient;
    bool accumulate = false;
  };
  static std::vector<View*> Outputs(Args& args);
  static std::vector<double> ErrorScales(Context& context, const Args& args);
  static KernelShape ShapeOf(const Args& args) {
    return nasengine::ShapeOf(args.geometry, args.x.dtype);
  }
};

// One registration function per implementation; kernels/register calls them. The reference and
// `composed` run the block's seven operators one after another, the first by their references, the
// second by whatever the policy gives them.
void RegisterMbconvReference(KernelRegistry& registry);
void RegisterMbconvComposed(KernelRegistry& registry);
void RegisterMbconvComposedCuda(KernelRegistry& registry);
void RegisterMbconvHighway(KernelRegistry& registry);
void RegisterMbconvCuda(KernelRegistry& registry);  // in the CUDA plug-in

}  // namespace nasengine
