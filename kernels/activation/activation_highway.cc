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

void ForwardRange(const ActivationForward::Args& args, Chunk chunk) {
  WithStorage(args.x.dtype, [&]<class T>(T) HWY_ATTR {
    const T* x = args.x.As<T>();
    T* y = args.y.As<T>();
    const Activation activation = args.activation;
    ForEachVector(chunk.begin, chunk.end, [=](const auto& lanes, std::int64_t i) HWY_ATTR {
      lanes.Store(Activate(lanes, lanes.Load(x + i), activation), y + i);
    });
  });
}

void BackwardRange(const ActivationBackward::Args& args, Chunk chunk) {
  WithStorage(args.y.dtype, [&]<class T>(T) HWY_ATTR {
    const T* y = args.y.As<T>();
    const T* dy = args.dy.As<T>();
    T* dx = args.dx.As<T>();
    WithActivation(args.activation, [&](auto activation) HWY_ATTR {
      ForEachVector(chunk.begin, chunk.end, [=](const auto& lanes, std::int64_t i) HWY_ATTR {
        constexpr Activation kActivation = decltype(activation)::value;
        const auto passed =
            PassedGradient<kActivation>(lanes, lanes.Load(y + i), lanes.Load(dy + i));
        lanes.Store(passed, dx + i);
      });
    });
  });
}

}  // namespace
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
namespace {

HWY_EXPORT(ForwardRange);
HWY_EXPORT(BackwardRange);

void ForwardHighway(Context& context, const ActivationForward::Args& args) {
  CheckArgs(args);
  if (args.activation == Activation::kNone && args.x.data == args.y.data) return;
  ForEachChunk(context, args.x.elements(), 1, [&](const Chunk& chunk) {
    HWY_DYNAMIC_DISPATCH(ForwardRange)(args, chunk);
  });
}

void BackwardHighway(Context& context, const ActivationBackward::Args& args) {
  CheckArgs(args);
  if (args.activation == Activation::kNone && args.dy.data == args.dx.data) return;
  ForEachChunk(context, args.y.elements(), 1, [&](const Chunk& chunk) {
    HWY_DYNAMIC_DISPATCH(BackwardRange)(args, chunk);
  });
}

}  // namespace

void RegisterActivationHighway(KernelRegistry& registry) {
  RegisterOurs<ActivationForward>(registry, "highway", ForwardHighway);
  RegisterOurs<ActivationBackward>(registry, "highway", BackwardHighway);
}

}  // namespace nasengine
#endif  // HWY_ONCE
