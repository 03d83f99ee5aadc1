// Checks of the elementwise operators' arguments, and the one number that dropout's implementations
// must share.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/elementwise/elementwise.h"

namespace nasengine {

// Throw kInvalidArgument unless all views have one shape and one type, f32, bf16 or f64;
// InnerProduct: but for a result in f32, or f64 for f64; Cast: unless one is f32 and the other
// bf16; Dropout: also unless 0 <= rate < 1.
void CheckArgs(const Add::Args& args);
void CheckArgs(const Axpy::Args& args);
void CheckArgs(const Scale::Args& args);
void CheckArgs(const InnerProduct::Args& args);
void CheckArgs(const Cast::Args& args);
void CheckArgs(const Dropout::Args& args);

// 1 / (1 - rate), rounded once to f32 for every implementation.
float KeptScale(float rate);

}  // namespace nasengine
