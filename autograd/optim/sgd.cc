// SPDX-License-Identifier: MIT
#include "autograd/optim/sgd.h"

#include "kernels/core/kernel_registry.h"
#include "kernels/optim/optimizer_step.h"

namespace nasengine {
namespace {

// Elements [begin, end) of the slab; `working_copy` is theirs, or undefined.
void StepRange(Context& context, ParameterSlab& slab, std::int64_t begin, std::int64_t end,
               const Tensor& working_copy, const SgdStep::Args& settings) {
  if (begin == end) return;
  const Shape range{end - begin};
  SgdStep::Args args = settings;
  const Tensor dw = slab.gradients().Slice(begin, range);
  const Tensor w = slab.values().Slice(begin, range);
  const Tensor v = slab.momentum(context).Slice(begin, range);
  args.dw = dw;
  args.w = w;
  args.v = v;
  args.w_bf16 = working_copy;
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
  SgdStep::Args others = decaying;
  if (!options_.decay_all) others.weight_decay = 0;
  for (ParameterSlab* slab : slabs) {
    if (!slab->has_gradients()) continue;
    const std::int64_t split = slab->decaying_elements();
    StepRange(context, *slab, 0, split, slab->working_copy(), decaying);
    StepRange(context, *slab, split, slab->values().elements(), Tensor(), others);
    slab->DropGradients();
  }
}

}  // namespace nasengine
