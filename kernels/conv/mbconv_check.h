// The part of the MBConv operator that all implementations share: which arguments are
// taken, and what is wanted by them.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/mbconv.h"

namespace nasengine {

// Throw kInvalidArgument, naming the operator, on shapes and types that do not fit.
void CheckArguments(const MbconvForward::Args& args);
void CheckArguments(const MbconvBackward::Args& args);

// Whether nothing beyond the expansion is wanted.
bool OnlyExpands(const MbconvForward::Args& args);

}  // namespace nasengine
