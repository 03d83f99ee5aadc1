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

template <class T>
void MoveSgd(const SgdStep::Args& args, const SgdStep::Slab& slab) {
  for (std::int64_t i = 0; i < slab.dw.elements(); ++i) {
    const double w = slab.w.As<T>()[i];
    const double g = slab.dw.As<T>()[i] + double{slab.weight_decay} * w;
    const double v = double{args.momentum} * slab.v.As<T>()[i] + g;
    const double direction = args.nesterov ? g + double{args.momentum} * v : v;
    slab.v.As<T>()[i] = static_cast<T>(v);
    slab.w.As<T>()[i] = static_cast<T>(w - double{args.lr} * direction);
    if (slab.w_bf16.empty()) continue;
    slab.w_bf16.As<BFloat16>()[i] = Rounded<BFloat16>(ToDouble(slab.w.As<T>()[i]));
  }
}

template <class T>
void MoveAdam(const AdamStep::Args& args, const AdamStep::Slab& slab) {
  const double beta1 = args.beta1;
  const double beta2 = args.beta2;
  const AdamCorrection correction = CorrectionAt(args);
  for (std::int64_t i = 0; i < slab.dw.elements(); ++i) {
    const double w = slab.w.As<T>()[i];
    const double g = slab.dw.As<T>()[i] + double{args.weight_decay} * w;
    const double m = (slab.m.empty() ? 0 : beta1 * slab.m.As<T>()[i]) + (1 - beta1) * g;
    const double v = beta2 * slab.v.As<T>()[i] + (1 - beta2) * g * g;
    const double deviation = std::sqrt(v * correction.second) + double{args.epsilon};
    if (!slab.m.empty()) slab.m.As<T>()[i] = static_cast<T>(m);
    slab.v.As<T>()[i] = static_cast<T>(v);
    slab.w.As<T>()[i] = static_cast<T>(w - double{args.lr} * m * correction.first / deviation);
  }
}

void SgdReference(Context&, const SgdStep::Args& args) {
  CheckArgs(args);
  for (const SgdStep::Slab& slab : args.slabs) {
    VisitFloat(slab.dw.dtype, [&]<class T>(T) { MoveSgd<T>(args, slab); });
  }
}

void AdamReference(Context&, const AdamStep::Args& args) {
  CheckArgs(args);
  for (const AdamStep::Slab& slab : args.slabs) {
    VisitFloat(slab.dw.dtype, [&]<class T>(T) { MoveAdam<T>(args, slab); });
  }
}

}  // namespace

void RegisterOptimizerStepReference(KernelRegistry& registry) {
  RegisterReference<SgdStep>(registry, SgdReference);
  RegisterReference<AdamStep>(registry, AdamReference);
}

}  // namespace nasengine
