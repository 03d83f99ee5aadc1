// SPDX-License-Identifier: MIT
#include "autograd/optim/adam.h"

#include "kernels/core/kernel_registry.h"
#include "kernels/optim/optimizer_step.h"

namespace nasengine {
namespace {

// Of the registry's kernels for the CPU the first that the policy would take there.
const KernelEntry<AdamStep>& HostKernel(Context& context) {
  for (const Impl impl : context.policy().Choose(AdamStep::kName, {}, context.threads()).order) {
    for (const KernelEntry<AdamStep>& entry : context.registry().Entries<AdamStep>()) {
      if (entry.device == DeviceType::kCpu && entry.impl == impl) return entry;
    }
  }
  Throw(ErrorCode::kUnsupported, "adam: no kernel for vectors of the host");
}

}  // namespace

void AdamOptimizer::Step(Context& context, std::span<float> w, std::span<const float> dw, float lr,
                         AdamState& state) const {
  NAS_CHECK(w.size() == dw.size(), "adam: ", w.size(), " parameters, ", dw.size(), " gradients");
  const bool first_moment = options_.beta1 != 0;
  if (state.step == 0) {
    state.v.assign(w.size(), 0);
    state.m.assign(first_moment ? w.size() : 0, 0);
  }
  NAS_CHECK(state.v.size() == w.size() && state.m.size() == (first_moment ? w.size() : 0),
            "adam: ", w.size(), " parameters, moments of ", state.m.size(), " and ",
            state.v.size());
  const Shape shape{static_cast<std::int64_t>(w.size())};
  const AdamStep::Args args{
      .lr = lr,
      .beta1 = options_.beta1,
      .beta2 = options_.beta2,
      .epsilon = options_.epsilon,
      .weight_decay = options_.weight_decay,
      .step = state.step + 1,
      .slabs = {{
          .dw = {dw.data(), shape, DType::kF32},
          .w = {w.data(), shape, DType::kF32},
          .m = first_moment ? View{state.m.data(), shape, DType::kF32} : View{},
          .v = {state.v.data(), shape, DType::kF32},
      }}};
  HostKernel(context).run(context, args);
  ++state.step;
}

}  // namespace nasengine
