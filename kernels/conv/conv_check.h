// What every implementation of dense and pointwise convolution asks of its arguments.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/conv2d.h"
#include "kernels/conv/pointwise_conv.h"

namespace nasengine {

// Throws kInvalidArgument where shapes, sizes or types do not fit together; f64 takes all views in
// f64.
void CheckArguments(const Conv2dForward::Args& args);
void CheckArguments(const Conv2dBackwardData::Args& args);
void CheckArguments(const Conv2dBackwardWeights::Args& args);
void CheckArguments(const PointwiseConvForward::Args& args);
void CheckArguments(const PointwiseConvBackwardData::Args& args);
void CheckArguments(const PointwiseConvBackwardWeights::Args& args);

}  // namespace nasengine
