// The differentiable functions: each computes its value through the kernels and records on the tape
// what its backward reads. On a tape that does not record they only compute.
//
// Images are (n, h, w, c). The type of x, f32 or bf16, is that of the result and of all gradients
// of activations; a linear layer's result and the loss are f32. Every function throws
// kInvalidArgument, naming itself, on shapes that do not fit, and allocates its result as
// kActivations.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "autograd/parameter_slab.h"
#include "autograd/tape.h"
#include "kernels/core/activation.h"
#include "kernels/core/rng.h"

namespace nasengine {

struct Window {
  int kernel = 1;
  int stride = 1;
  int pad = 0;
};

// Weights as in kernels/conv: dense (c_out, k, k, c_in), pointwise (c_out, c_in), depthwise (k, k,
// c).
Variable Conv2d(Tape& tape, const Variable& x, const Parameter& w, const Window& window);
Variable PointwiseConv(Tape& tape, const Variable& x, const Parameter& w);
Variable DepthwiseConv(Tape& tape, const Variable& x, const Parameter& w, const Window& window);

// Which statistics a batch norm uses, and whether its running ones move.
enum class NormMode {
  kBatch,        // the batch's; running statistics move
  kBatchFrozen,  // the batch's; running statistics stay (architecture steps, supernet evaluation)
  kRunning,      // the running ones; not differentiable
};

struct BatchNormOptions {
  NormMode mode = NormMode::kBatch;
  Activation activation = Activation::kNone;
  float epsilon = 1e-3f;
  float momentum = 0.1f;
};
// gamma beta running_mean running_var (c). Saves x and the batch's statistics; the activation's
// mask is computed again from them.
Variable BatchNorm(Tape& tape, const Variable& x, const Parameter& gamma, const Parameter& beta,
                   const Tensor& running_mean, const Tensor& running_var,
                   const BatchNormOptions& options);

// A convolution with its batch norm. w as above, the rest (c).
struct ConvNorm {
  Parameter w;
  Parameter gamma;
  Parameter beta;
  Tensor running_mean;
  Tensor running_var;
};

// What backward computes again instead of finding it kept. The second computation gives the same
// bits and moves no running statistics.
enum class Recompute {
  kNothing,
  kExpand,  // the expanded tensor, from x: a product more, about 2/5 of what a block keeps less
  kAll,     // everything, from x: a forward pass more
};

struct MbconvOptions {
  int kernel = 3;
  int stride = 1;
  BatchNormOptions norm{};  // of all three, but that no activation follows the last; not kRunning
  Recompute recompute = Recompute::kNothing;
};
// Expand, depthwise, project, each with its batch norm, as one function. Without an expansion
// `expand` is null. Saves what the three convolutions give, before their batch norms, and the
// statistics; and x, if parameter gradients are wanted or anything is to be computed again.
Variable Mbconv(Tape& tape, const Variable& x, const ConvNorm* expand, const ConvNorm& depthwise,
                const ConvNorm& project, const MbconvOptions& options);
// The inner product of dy with what Mbconv gives for x, which is not written; nothing is recorded
// and no running statistics move.
double MbconvInnerProduct(Context& context, const Tensor& x, const Tensor& dy,
                          const ConvNorm* expand, const ConvNorm& depthwise,
                          const ConvNorm& project, const MbconvOptions& options);

Variable ApplyActivation(Tape& tape, const Variable& x, Activation activation);
Variable Sum(Tape& tape, const Variable& a, const Variable& b);
// The inner product of two tensors of one shape and type; nothing is recorded.
double SumOfProducts(Context& context, const Tensor& a, const Tensor& b);
Variable AvgPool(Tape& tape, const Variable& x, const Window& window);
Variable MaxPool(Tape& tape, const Variable& x, const Window& window);
// (n, h, w, c) -> (n, c)
Variable GlobalAvgPool(Tape& tape, const Variable& x);
// (n, in) -> (n, out); w (out, in), bias (out) may be undefined.
Variable Linear(Tape& tape, const Variable& x, const Parameter& w, const Parameter& bias);
// Mask from `rng` at `step`; rate 0 returns x itself.
Variable Dropout(Tape& tape, const Variable& x, float rate, const Rng& rng, std::uint64_t step);

struct LossResult {
  Variable loss;  // one f32, the mean over the batch
  Tensor rank;    // (n) i32, classes placed before the true one; 0 is a top-1 hit
};
LossResult SoftmaxCrossEntropy(Tape& tape, const Variable& logits, const Tensor& labels,
                               float smoothing);

}  // namespace nasengine
