// The optimiser steps as kernels for CUDA, one launch a slab.
// SPDX-License-Identifier: MIT
#include "kernels/core/float_kernel.h"
#include "kernels/optim/optimizer_step_check.h"
#include "kernels/optim/optimizer_step_cuda.cuh"

namespace nasengine {
namespace {

void SgdCuda(Context& context, const SgdStep::Args& args) {
  CheckArgs(args);
  const cuda::SgdBody body{
      .dw = args.dw.As<float>(),
      .w = args.w.As<float>(),
      .v = args.v.As<float>(),
      .w_bf16 = args.w_bf16.empty() ? nullptr : args.w_bf16.As<BFloat16>(),
      .lr = args.lr,
      .momentum = args.momentum,
      .weight_decay = args.weight_decay,
      .nesterov = args.nesterov,
  };
  cuda::ForEachElement(context, SgdStep::kName, body, args.dw.elements());
}

template <bool kHasMean>
void AdamCudaWith(Context& context, const AdamStep::Args& args) {
  const AdamCorrection correction = CorrectionAt(args);
  // Differences from 1 are taken in f64: 1 - 0.999f would lose three digits in f32.
  const cuda::AdamBody<kHasMean> body{
      .dw = args.dw.As<float>(),
      .w = args.w.As<float>(),
      .m = kHasMean ? args.m.As<float>() : nullptr,
      .v = args.v.As<float>(),
      .beta1 = args.beta1,
      .beta2 = args.beta2,
      .new_first = static_cast<float>(1 - double{args.beta1}),
      .new_second = static_cast<float>(1 - double{args.beta2}),
      .rate = static_cast<float>(double{args.lr} * correction.first),
      .second_correction = static_cast<float>(correction.second),
      .epsilon = args.epsilon,
      .weight_decay = args.weight_decay,
  };
  cuda::ForEachElement(context, AdamStep::kName, body, args.dw.elements());
}

void AdamCuda(Context& context, const AdamStep::Args& args) {
  CheckArgs(args);
  if (args.m.empty()) {
    AdamCudaWith<false>(context, args);
  } else {
    AdamCudaWith<true>(context, args);
  }
}

}  // namespace

void RegisterOptimizerStepCuda(KernelRegistry& registry) {
  RegisterOurs<SgdStep>(registry, "cuda", SgdCuda, nullptr, DeviceType::kCuda);
  RegisterOurs<AdamStep>(registry, "cuda", AdamCuda, nullptr, DeviceType::kCuda);
}

}  // namespace nasengine
