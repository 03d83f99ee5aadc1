// SPDX-License-Identifier: MIT
#include "autograd/optim/adam.h"

#include "kernels/core/kernel_registry.h"
#include "kernels/optim/optimizer_step.h"

namespace nasengine {

void AdamOptimizer::Step(Context& context, std::span<float> w, std::span<const float> dw, float lr,
                         AdamState& state) const {
  if (context.device().type != DeviceType::kCpu) {
    Throw(ErrorCode::kUnsupported, "adam: vectors of the host on device ",
          ToString(context.device()));
  }
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
  Dispatch<AdamStep>(context,
                     {.dw = ConstView{dw.data(), shape, DType::kF32},
                      .lr = lr,
                      .beta1 = options_.beta1,
                      .beta2 = options_.beta2,
                      .epsilon = options_.epsilon,
                      .weight_decay = options_.weight_decay,
                      .step = state.step + 1,
                      .w = View{w.data(), shape, DType::kF32},
                      .m = first_moment ? View{state.m.data(), shape, DType::kF32} : View{},
                      .v = View{state.v.data(), shape, DType::kF32}});
  ++state.step;
}

}  // namespace nasengine
