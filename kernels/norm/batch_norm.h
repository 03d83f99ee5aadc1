// Batch normalisation over the rows of a (rows, c) matrix, i.e. over n*h*w of an NHWC image, with
// the activation that follows it.
//   x y dx dy (n, h, w, c)   gamma beta mean inv_std running_* dgamma dbeta (c)
// x, y, dx and dy have one type, f32 or bf16; all else is f32. Sums are f32 or better.
// [Ioffe and Szegedy 2015, algorithm 1]
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/core/activation.h"
#include "kernels/core/kernel_shape.h"
#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

// By which the kernel policy knows a batch norm over x.
inline KernelShape MapShape(const ConstView& x) {
  return {
      .dtype = x.dtype, .rows = x.shape.rows(), .c_in = x.shape.back(), .c_out = x.shape.back()};
}

// y = activation(gamma * (x - mean) * inv_std + beta) with the batch's mean and biased variance;
// inv_std = 1 / sqrt(variance + epsilon). y may be x. Running statistics, when given, become
// (1 - momentum) * running + momentum * batch, with the unbiased variance.
// A mean far from zero must not cost accuracy (shifted or Welford sums).
struct BatchNormForward {
  static constexpr const char* kName = "batch_norm_forward";
  struct Args {
    ConstView x;
    ConstView gamma;
    ConstView beta;
    float epsilon = 1e-3f;
    float momentum = 0.1f;
    Activation activation = Activation::kNone;
    View y;
    View mean;          // of the batch, for backward
    View inv_std;       // of the batch, for backward
    View running_mean;  // empty: not updated
    View running_var;   // empty: not updated
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
  static KernelShape ShapeOf(const Args& args) { return MapShape(args.x); }
};

// y = activation(gamma * (x - mean) / sqrt(var + epsilon) + beta) with given statistics. y may be
// x.
struct BatchNormInference {
  static constexpr const char* kName = "batch_norm_inference";
  struct Args {
    ConstView x;
    ConstView gamma;
    ConstView beta;
    ConstView mean;
    ConstView var;
    float epsilon = 1e-3f;
    Activation activation = Activation::kNone;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
  static KernelShape ShapeOf(const Args& args) { return MapShape(args.x); }
};

// Gradients through the activation and the batch statistics. The activation's mask is computed
// again from x, so that y need not be kept. dx may be dy. dgamma and dbeta may be empty (not
// wanted); otherwise overwritten, or added to if `accumulate`.
struct BatchNormBackward {
  static constexpr const char* kName = "batch_norm_backward";
  struct Args {
    ConstView x;
    ConstView dy;
    ConstView gamma;
    ConstView beta;
    ConstView mean;
    ConstView inv_std;
    Activation activation = Activation::kNone;
    View dx;
    View dgamma;
    View dbeta;
    bool accumulate = false;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
  static KernelShape ShapeOf(const Args& args) { return MapShape(args.x); }
};

// One registration function per implementation; kernels/register calls them.
void RegisterBatchNormReference(KernelRegistry& registry);
void RegisterBatchNormHighway(KernelRegistry& registry);
void RegisterBatchNormOnednn(KernelRegistry& registry);
void RegisterBatchNormCuda(KernelRegistry& registry);  // in the CUDA plug-in

}  // namespace nasengine
