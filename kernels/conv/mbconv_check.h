// The part of the MBConv operators that all implementations share: which arguments are
// taken, and what is wanted by them.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/mbconv.h"
#include "kernels/conv/mbconv_inference.h"

namespace nasengine {

// Throw kInvalidArgument, naming the operator, on shapes and types that do not fit.
void CheckArguments(const MbconvForward::Args& args);
void CheckArguments(const MbconvBackward::Args& args);
void CheckArguments(const MbconvInference::Args& args);

// Whether nothing beyond the expansion is wanted.
bool OnlyExpands(const MbconvForward::Args& args);

}  // namespace nasengine
