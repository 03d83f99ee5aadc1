// SPDX-License-Identifier: MIT
#include "autograd/optim/sgd.h"

#include "kernels/core/kernel_registry.h"
#include "kernels/optim/optimizer_step.h"

namespace nasengine {
namespace {

void StepRange(Context& context, ParameterSlab& slab, std::int64_t begin, std::int64_t end,
               const SgdStep::Args& settings) {
  if (begin == end) return;
  const Shape range{end - begin};
  SgdStep::Args args = settings;
  const Tensor dw = slab.gradients().Slice(begin, range);
  const Tensor w = slab.values().Slice(begin, range);
  const Tensor v = slab.momentum(context).Slice(begin, range);
  args.dw = dw;
  args.w = w;
  args.v = v;
  Dispatch<SgdStep>(context, args);
}

}  // namespace

void SgdOptimizer::Step(Context& context, std::span<ParameterSlab* const> slabs, float lr) const {
  const SgdStep::Args decaying{.dw = {},
                               .lr = lr,
                               .momentum = options_.momentum,
                               .weight_decay = options_.weight_decay,
                               .nesterov = options_.nesterov,
                               .w = {},
                               .v = {}};
  SgdStep::Args spared = decaying;
  spared.weight_decay = 0;
  for (ParameterSlab* slab : slabs) {
    if (!slab->has_gradients()) continue;
    const std::int64_t end = slab->values().elements();
    const std::int64_t split = options_.decay_all ? end : slab->decaying_elements();
    StepRange(context, *slab, 0, split, decaying);
    StepRange(context, *slab, split, end, spared);
    slab->DropGradients();
  }
}

}  // namespace nasengine
