// The optimiser steps as kernels for CUDA, one launch for the slabs of a path.
// SPDX-License-Identifier: MIT
#include <vector>

#include "kernels/core/float_kernel.h"
#include "kernels/optim/optimizer_step_check.h"
#include "kernels/optim/optimizer_step_cuda.cuh"

namespace nasengine {
namespace {

void SgdCuda(Context& context, const SgdStep::Args& args) {
  CheckArgs(args);
  std::vector<cuda::ListedElements<cuda::SgdBody>> list;
  for (const SgdStep::Slab& slab : args.slabs) {
    const cuda::SgdBody body{
        .dw = slab.dw.As<float>(),
        .w = slab.w.As<float>(),
        .v = slab.v.As<float>(),
        .w_bf16 = slab.w_bf16.empty() ? nullptr : slab.w_bf16.As<BFloat16>(),
        .lr = args.lr,
        .momentum = args.momentum,
        .weight_decay = slab.weight_decay,
        .nesterov = args.nesterov,
    };
    list.push_back({body, slab.dw.elements()});
  }
  cuda::ForEachElementOfList<cuda::SgdBody>(context, SgdStep::kName, list);
}

template <bool kHasMean>
void AdamCudaWith(Context& context, const AdamStep::Args& args) {
  const AdamCorrection correction = CorrectionAt(args);
  std::vector<cuda::ListedElements<cuda::AdamBody<kHasMean>>> list;
  for (const AdamStep::Slab& slab : args.slabs) {
    // Differences from 1 are taken in f64: 1 - 0.999f would lose three digits in f32.
    const cuda::AdamBody<kHasMean> body{
        .dw = slab.dw.As<float>(),
        .w = slab.w.As<float>(),
        .m = kHasMean ? slab.m.As<float>() : nullptr,
        .v = slab.v.As<float>(),
        .beta1 = args.beta1,
        .beta2 = args.beta2,
        .new_first = static_cast<float>(1 - double{args.beta1}),
        .new_second = static_cast<float>(1 - double{args.beta2}),
        .rate = static_cast<float>(double{args.lr} * correction.first),
        .second_correction = static_cast<float>(correction.second),
        .epsilon = args.epsilon,
        .weight_decay = args.weight_decay,
    };
    list.push_back({body, slab.dw.elements()});
  }
  cuda::ForEachElementOfList<cuda::AdamBody<kHasMean>>(context, AdamStep::kName, list);
}

void AdamCuda(Context& context, const AdamStep::Args& args) {
  CheckArgs(args);
  if (HasMean(args)) {
    AdamCudaWith<true>(context, args);
  } else {
    AdamCudaWith<false>(context, args);
  }
}

}  // namespace

void RegisterOptimizerStepCuda(KernelRegistry& registry) {
  RegisterOurs<SgdStep>(registry, "cuda", SgdCuda, nullptr, DeviceType::kCuda);
  RegisterOurs<AdamStep>(registry, "cuda", AdamCuda, nullptr, DeviceType::kCuda);
}

}  // namespace nasengine
