// The part of the MBConv operator that all implementations share: argument checks.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/mbconv.h"

namespace nasengine {

// Throw kInvalidArgument, naming the operator, on shapes and types that do not fit.
void CheckArguments(const MbconvForward::Args& args);
void CheckArguments(const MbconvBackward::Args& args);

}  // namespace nasengine
