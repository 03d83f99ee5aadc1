// What every implementation of the linear layer asks of its arguments.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/linear/linear.h"

namespace nasengine {

// Throws kInvalidArgument where shapes or types do not fit together; f64 takes all views in f64.
void CheckArguments(const LinearForward::Args& args);
void CheckArguments(const LinearBackwardData::Args& args);
void CheckArguments(const LinearBackwardWeights::Args& args);

}  // namespace nasengine
