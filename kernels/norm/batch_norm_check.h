// What every implementation of batch normalisation asks of its arguments, and the one expression
// that decides which side of the activation a value falls on.
// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "kernels/norm/batch_norm.h"

namespace nasengine {

// Throws kInvalidArgument where shapes or types do not fit together; f64 takes all views in f64.
void CheckArguments(const BatchNormForward::Args& args);
void CheckArguments(const BatchNormInference::Args& args);
void CheckArguments(const BatchNormBackward::Args& args);

// gamma * (x - mean) * inv_std + beta in f32, or f64 for f64 tensors. Forward and backward of every
// implementation round exactly like this, or the gradient's mask would differ from the forward one
// where a value lies on the edge of the activation.
template <class T>
T BatchNormValue(T x, T mean, T inv_std, T gamma, T beta) {
  return std::fma(x - mean, gamma * inv_std, beta);
}

// Whether the activation lets the gradient through at `value`.
template <class T>
bool PassesGradient(T value, Activation activation) {
  if (activation == Activation::kNone) return true;
  return value > 0 && (activation == Activation::kRelu || value < 6);
}

}  // namespace nasengine
