// SPDX-License-Identifier: MIT
#include "autograd/optim/sgd.h"

#include <unordered_set>

#include "kernels/core/kernel_registry.h"
#include "kernels/optim/optimizer_step.h"

namespace nasengine {
namespace {

// Elements [begin, end) of the slab; `working_copy` is theirs, or undefined.
SgdStep::Slab Part(Context& context, ParameterSlab& slab, std::int64_t begin, std::int64_t end,
                   const Tensor& working_copy, float weight_decay) {
  const Shape range{end - begin};
  const Tensor dw = slab.gradients().Slice(begin, range);
  const Tensor w = slab.values().Slice(begin, range);
  const Tensor v = slab.momentum(context).Slice(begin, range);
  return {.dw = dw, .w = w, .v = v, .w_bf16 = working_copy, .weight_decay = weight_decay};
}

}  // namespace

void SgdOptimizer::Step(Context& context, std::span<ParameterSlab* const> slabs, float lr) const {
  SgdStep::Args args{
      .lr = lr, .momentum = options_.momentum, .nesterov = options_.nesterov, .slabs = {}};
  const float spared = options_.decay_all ? options_.weight_decay : 0;
  std::unordered_set<const ParameterSlab*> moved;
  for (ParameterSlab* slab : slabs) {
    if (!slab->has_gradients()) continue;
    NAS_CHECK(moved.insert(slab).second, "sgd: a slab comes twice");
    const std::int64_t split = slab->decaying_elements();
    const std::int64_t end = slab->values().elements();
    if (split > 0) {
      args.slabs.push_back(
          Part(context, *slab, 0, split, slab->working_copy(), options_.weight_decay));
    }
    if (end > split) args.slabs.push_back(Part(context, *slab, split, end, Tensor(), spared));
  }
  if (!args.slabs.empty()) Dispatch<SgdStep>(context, args);
  for (ParameterSlab* slab : slabs) slab->DropGradients();
}

}  // namespace nasengine
