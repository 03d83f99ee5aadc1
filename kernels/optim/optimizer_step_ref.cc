// The optimiser steps written plainly, f64 inside: the truth that other implementations are held
// against.
// SPDX-License-Identifier: MIT
#include <cmath>
#include <cstdint>

#include "kernels/core/bfloat16.h"
#include "kernels/core/float_kernel.h"
#include "kernels/optim/optimizer_step.h"
#include "kernels/optim/optimizer_step_check.h"

namespace nasengine {
namespace {

void SgdReference(Context&, const SgdStep::Args& args) {
  CheckArgs(args);
  VisitFloat(args.dw.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < args.dw.elements(); ++i) {
      const double w = args.w.As<T>()[i];
      const double g = args.dw.As<T>()[i] + double{args.weight_decay} * w;
      const double v = double{args.momentum} * args.v.As<T>()[i] + g;
      const double direction = args.nesterov ? g + double{args.momentum} * v : v;
      args.v.As<T>()[i] = static_cast<T>(v);
      args.w.As<T>()[i] = static_cast<T>(w - double{args.lr} * direction);
      if (args.w_bf16.empty()) continue;
      args.w_bf16.As<BFloat16>()[i] = Rounded<BFloat16>(ToDouble(args.w.As<T>()[i]));
    }
  });
}

void AdamReference(Context&, const AdamStep::Args& args) {
  CheckArgs(args);
  const double beta1 = args.beta1;
  const double beta2 = args.beta2;
  const AdamCorrection correction = CorrectionAt(args);
  VisitFloat(args.dw.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < args.dw.elements(); ++i) {
      const double w = args.w.As<T>()[i];
      const double g = args.dw.As<T>()[i] + double{args.weight_decay} * w;
      const double m = (args.m.empty() ? 0 : beta1 * args.m.As<T>()[i]) + (1 - beta1) * g;
      const double v = beta2 * args.v.As<T>()[i] + (1 - beta2) * g * g;
      const double deviation = std::sqrt(v * correction.second) + double{args.epsilon};
      if (!args.m.empty()) args.m.As<T>()[i] = static_cast<T>(m);
      args.v.As<T>()[i] = static_cast<T>(v);
      args.w.As<T>()[i] = static_cast<T>(w - double{args.lr} * m * correction.first / deviation);
    }
  });
}

}  // namespace

void RegisterOptimizerStepReference(KernelRegistry& registry) {
  RegisterReference<SgdStep>(registry, SgdReference);
  RegisterReference<AdamStep>(registry, AdamReference);
}

}  // namespace nasengine
