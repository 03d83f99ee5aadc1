// Checks of the activation operators' arguments, shared by their implementations.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/activation/activation_op.h"

namespace nasengine {

// Throw kInvalidArgument unless all views have one shape and one type, f32, bf16 or f64.
void CheckArgs(const ActivationForward::Args& args);
void CheckArgs(const ActivationBackward::Args& args);

}  // namespace nasengine
