// SPDX-License-Identifier: MIT
#include "kernels/activation/activation_op.h"

#include "kernels/activation/activation_check.h"
#include "kernels/core/float_kernel.h"

namespace nasengine {

void CheckArgs(const ActivationForward::Args& args) {
  constexpr const char* kOp = ActivationForward::kName;
  CheckStorage(kOp, "x", args.x);
  CheckView(kOp, "y", args.y, args.x.shape, args.x.dtype);
}

void CheckArgs(const ActivationBackward::Args& args) {
  constexpr const char* kOp = ActivationBackward::kName;
  CheckStorage(kOp, "y", args.y);
  CheckView(kOp, "dy", args.dy, args.y.shape, args.y.dtype);
  CheckView(kOp, "dx", args.dx, args.y.shape, args.y.dtype);
}

std::vector<View*> ActivationForward::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> ActivationBackward::Outputs(Args& args) { return {&args.dx}; }

// Both only choose among numbers that they are given: nothing is rounded.
double ActivationForward::ErrorScale(const Args&, int) { return 0; }
double ActivationBackward::ErrorScale(const Args&, int) { return 0; }

}  // namespace nasengine
