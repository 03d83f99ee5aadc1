// What every implementation of depthwise convolution asks of its arguments.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/depthwise_conv.h"

namespace nasengine {

// Throws kInvalidArgument where shapes, sizes or types do not fit together.
void CheckArguments(const DepthwiseConvForward::Args& args);
void CheckArguments(const DepthwiseConvBackwardData::Args& args);
void CheckArguments(const DepthwiseConvBackwardWeights::Args& args);

}  // namespace nasengine
