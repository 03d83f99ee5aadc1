// The optimiser steps in vectors, one pass over the slabs, which threads share as if they lay end
// to end; compiled for every instruction set and chosen at run time.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/core/float_kernel.h"
#include "kernels/core/highway_targets.h"
#include "kernels/core/parallel.h"
#include "kernels/optim/optimizer_step.h"
#include "kernels/optim/optimizer_step_check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/optim/optimizer_step_highway.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/core/for_each_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

template <bool kNesterov>
HWY_INLINE void SgdLoop(const SgdStep::Args& args, const SgdStep::Slab& slab, Chunk chunk) {
  const float* dw = slab.dw.As<float>();
  float* w = slab.w.As<float>();
  float* v = slab.v.As<float>();
  BFloat16* w_bf16 = slab.w_bf16.empty() ? nullptr : slab.w_bf16.As<BFloat16>();
  const float lr = args.lr;
  const float momentum = args.momentum;
  const float weight_decay = slab.weight_decay;
  ForEachVector(chunk.begin, chunk.end, [=](const auto& lanes, std::int64_t i) HWY_ATTR {
    const auto weight = lanes.Load(w + i);
    const auto g = hn::MulAdd(lanes.Set(weight_decay), weight, lanes.Load(dw + i));
    const auto velocity = hn::MulAdd(lanes.Set(momentum), lanes.Load(v + i), g);
    auto direction = velocity;
    if constexpr (kNesterov) direction = hn::MulAdd(lanes.Set(momentum), velocity, g);
    const auto moved = hn::NegMulAdd(lanes.Set(lr), direction, weight);
    lanes.Store(velocity, v + i);
    lanes.Store(moved, w + i);
    if (w_bf16 != nullptr) lanes.Store(moved, w_bf16 + i);
  });
}

void SgdRange(const SgdStep::Args& args, const SgdStep::Slab& slab, Chunk chunk) {
  if (args.nesterov) {
    SgdLoop<true>(args, slab, chunk);
  } else {
    SgdLoop<false>(args, slab, chunk);
  }
}

template <bool kHasMean>
HWY_INLINE void AdamLoop(const AdamStep::Args& args, const AdamStep::Slab& slab,
                         const AdamCorrection& correction, Chunk chunk) {
  const float* dw = slab.dw.As<float>();
  float* w = slab.w.As<float>();
  float* m = kHasMean ? slab.m.As<float>() : nullptr;
  float* v = slab.v.As<float>();
  // Differences from 1 are taken in f64: 1 - 0.999f would lose three digits in f32.
  const auto new_first = static_cast<float>(1 - static_cast<double>(args.beta1));
  const auto new_second = static_cast<float>(1 - static_cast<double>(args.beta2));
  const auto rate = static_cast<float>(static_cast<double>(args.lr) * correction.first);
  const auto second_correction = static_cast<float>(correction.second);
  const float beta1 = args.beta1;
  const float beta2 = args.beta2;
  const float epsilon = args.epsilon;
  const float weight_decay = args.weight_decay;
  ForEachVector(chunk.begin, chunk.end, [=](const auto& lanes, std::int64_t i) HWY_ATTR {
    const auto weight = lanes.Load(w + i);
    const auto g = hn::MulAdd(lanes.Set(weight_decay), weight, lanes.Load(dw + i));
    auto first = hn::Mul(lanes.Set(new_first), g);
    if constexpr (kHasMean) {
      first = hn::MulAdd(lanes.Set(beta1), lanes.Load(m + i), first);
      lanes.Store(first, m + i);
    }
    const auto square = hn::Mul(hn::Mul(lanes.Set(new_second), g), g);
    const auto second = hn::MulAdd(lanes.Set(beta2), lanes.Load(v + i), square);
    const auto deviation =
        hn::Add(hn::Sqrt(hn::Mul(second, lanes.Set(second_correction))), lanes.Set(epsilon));
    const auto update = hn::Div(hn::Mul(lanes.Set(rate), first), deviation);
    lanes.Store(second, v + i);
    lanes.Store(hn::Sub(weight, update), w + i);
  });
}

void AdamRange(const AdamStep::Args& args, const AdamStep::Slab& slab,
               const AdamCorrection& correction, Chunk chunk) {
  if (slab.m.empty()) {
    AdamLoop<false>(args, slab, correction, chunk);
  } else {
    AdamLoop<true>(args, slab, correction, chunk);
  }
}

}  // namespace
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
namespace {

HWY_EXPORT(SgdRange);
HWY_EXPORT(AdamRange);

// Calls body(slab, chunk) with every part of a slab that one thread moves.
template <class Slab, class Body>
void ForEachSlab(const Context& context, const std::vector<Slab>& slabs, const Body& body) {
  std::int64_t all = 0;
  for (const Slab& slab : slabs) all += slab.dw.elements();
  ForEachChunk(context, all, 1, [&](const Chunk& chunk) {
    std::int64_t begin = 0;  // of a slab among all elements
    for (const Slab& slab : slabs) {
      const std::int64_t end = begin + slab.dw.elements();
      const Chunk part{std::max(chunk.begin, begin) - begin, std::min(chunk.end, end) - begin,
                       chunk.index};
      if (part.begin < part.end) body(slab, part);
      begin = end;
    }
  });
}

void SgdHighway(Context& context, const SgdStep::Args& args) {
  CheckArgs(args);
  ForEachSlab(context, args.slabs, [&](const SgdStep::Slab& slab, const Chunk& chunk) {
    HWY_DYNAMIC_DISPATCH(SgdRange)(args, slab, chunk);
  });
}

void AdamHighway(Context& context, const AdamStep::Args& args) {
  CheckArgs(args);
  const AdamCorrection correction = CorrectionAt(args);
  ForEachSlab(context, args.slabs, [&](const AdamStep::Slab& slab, const Chunk& chunk) {
    HWY_DYNAMIC_DISPATCH(AdamRange)(args, slab, correction, chunk);
  });
}

}  // namespace

void RegisterOptimizerStepHighway(KernelRegistry& registry) {
  RegisterOurs<SgdStep>(registry, "highway", SgdHighway);
  RegisterOurs<AdamStep>(registry, "highway", AdamHighway);
}

}  // namespace nasengine
#endif  // HWY_ONCE
