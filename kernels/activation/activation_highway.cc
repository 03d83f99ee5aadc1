// The activations in vectors, compiled for every instruction set and chosen at run time.
// SPDX-License-Identifier: MIT
#include "kernels/activation/activation_check.h"
#include "kernels/activation/activation_op.h"
#include "kernels/core/float_kernel.h"
#include "kernels/core/highway_targets.h"
#include "kernels/core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation/activation_highway.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/core/for_each_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Operands in the order that keeps a NaN a NaN on x86, so that a diverged network shows.
void ReluRange(const float* x, float* y, Chunk chunk) {
  ForEachVector(chunk.begin, chunk.end, [=](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::Max(hn::Zero(d), hn::LoadU(d, x + i)), d, y + i);
  });
}

void Relu6Range(const float* x, float* y, Chunk chunk) {
  ForEachVector(chunk.begin, chunk.end, [=](auto d, std::int64_t i) HWY_ATTR {
    const auto above = hn::Max(hn::Zero(d), hn::LoadU(d, x + i));
    hn::StoreU(hn::Min(hn::Set(d, 6.0f), above), d, y + i);
  });
}

void CopyRange(const float* x, float* y, Chunk chunk) {
  ForEachVector(chunk.begin, chunk.end, [=](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::LoadU(d, x + i), d, y + i);
  });
}

void ReluBackwardRange(const float* y, const float* dy, float* dx, Chunk chunk) {
  ForEachVector(chunk.begin, chunk.end, [=](auto d, std::int64_t i) HWY_ATTR {
    const auto passes = hn::Gt(hn::LoadU(d, y + i), hn::Zero(d));
    hn::StoreU(hn::IfThenElseZero(passes, hn::LoadU(d, dy + i)), d, dx + i);
  });
}

void Relu6BackwardRange(const float* y, const float* dy, float* dx, Chunk chunk) {
  ForEachVector(chunk.begin, chunk.end, [=](auto d, std::int64_t i) HWY_ATTR {
    const auto value = hn::LoadU(d, y + i);
    const auto passes = hn::And(hn::Gt(value, hn::Zero(d)), hn::Lt(value, hn::Set(d, 6.0f)));
    hn::StoreU(hn::IfThenElseZero(passes, hn::LoadU(d, dy + i)), d, dx + i);
  });
}

}  // namespace
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
namespace {

HWY_EXPORT(ReluRange);
HWY_EXPORT(Relu6Range);
HWY_EXPORT(CopyRange);
HWY_EXPORT(ReluBackwardRange);
HWY_EXPORT(Relu6BackwardRange);

void ForwardHighway(Context& context, const ActivationForward::Args& args) {
  CheckArgs(args);
  const auto* x = args.x.As<float>();
  auto* y = args.y.As<float>();
  if (args.activation == Activation::kNone && x == y) return;
  ForEachChunk(context, args.x.elements(), 1, [&](const Chunk& chunk) {
    switch (args.activation) {
      case Activation::kRelu:
        return HWY_DYNAMIC_DISPATCH(ReluRange)(x, y, chunk);
      case Activation::kRelu6:
        return HWY_DYNAMIC_DISPATCH(Relu6Range)(x, y, chunk);
      case Activation::kNone:
        return HWY_DYNAMIC_DISPATCH(CopyRange)(x, y, chunk);
    }
  });
}

void BackwardHighway(Context& context, const ActivationBackward::Args& args) {
  CheckArgs(args);
  const auto* y = args.y.As<float>();
  const auto* dy = args.dy.As<float>();
  auto* dx = args.dx.As<float>();
  if (args.activation == Activation::kNone && dy == dx) return;
  ForEachChunk(context, args.y.elements(), 1, [&](const Chunk& chunk) {
    switch (args.activation) {
      case Activation::kRelu:
        return HWY_DYNAMIC_DISPATCH(ReluBackwardRange)(y, dy, dx, chunk);
      case Activation::kRelu6:
        return HWY_DYNAMIC_DISPATCH(Relu6BackwardRange)(y, dy, dx, chunk);
      case Activation::kNone:
        return HWY_DYNAMIC_DISPATCH(CopyRange)(dy, dx, chunk);
    }
  });
}

}  // namespace

void RegisterActivationHighway(KernelRegistry& registry) {
  RegisterF32<ActivationForward>(registry, "highway", ForwardHighway);
  RegisterF32<ActivationBackward>(registry, "highway", BackwardHighway);
}

}  // namespace nasengine
#endif  // HWY_ONCE
