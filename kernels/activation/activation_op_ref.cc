// The activations written plainly: the truth that other implementations are held against.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "kernels/activation/activation_check.h"
#include "kernels/activation/activation_op.h"
#include "kernels/core/bfloat16.h"
#include "kernels/core/float_kernel.h"

namespace nasengine {
namespace {

void Forward(Context&, const ActivationForward::Args& args) {
  CheckArgs(args);
  VisitStorage(args.x.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < args.x.elements(); ++i) {
      double value = ToDouble(args.x.As<T>()[i]);
      if (args.activation != Activation::kNone) value = std::max(value, 0.0);
      if (args.activation == Activation::kRelu6) value = std::min(value, 6.0);
      args.y.As<T>()[i] = Rounded<T>(value);
    }
  });
}

void Backward(Context&, const ActivationBackward::Args& args) {
  CheckArgs(args);
  VisitStorage(args.y.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < args.y.elements(); ++i) {
      const double y = ToDouble(args.y.As<T>()[i]);
      const bool above = args.activation == Activation::kNone || y > 0;
      const bool below = args.activation != Activation::kRelu6 || y < 6;
      args.dx.As<T>()[i] = above && below ? args.dy.As<T>()[i] : T{0};
    }
  });
}

}  // namespace

void RegisterActivationReference(KernelRegistry& registry) {
  RegisterReference<ActivationForward>(registry, Forward);
  RegisterReference<ActivationBackward>(registry, Backward);
}

}  // namespace nasengine
