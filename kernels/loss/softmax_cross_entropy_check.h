// Checks of the loss operator's arguments, shared by its implementations.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/loss/softmax_cross_entropy.h"

namespace nasengine {

// Throws kInvalidArgument unless there is at least one row and one class, shapes agree, logits,
// loss and dlogits are of one type (f32 or f64), labels and rank are i32 and smoothing is in
// [0, 1). Reads no tensor.
void CheckForms(const SoftmaxCrossEntropy::Args& args);
// The same, and unless every label is in [0, classes): for labels that the host can read.
void CheckArgs(const SoftmaxCrossEntropy::Args& args);

}  // namespace nasengine
