// SPDX-License-Identifier: MIT
#include "autograd/variable.h"

#include "kernels/core/kernel_registry.h"
#include "kernels/elementwise/elementwise.h"

namespace nasengine {

void GradientSlot::Accumulate(Context& context, Tensor gradient) {
  if (!gradient_.defined()) {
    gradient_ = std::move(gradient);
    return;
  }
  NAS_CHECK(gradient_.shape() == gradient.shape(), "gradient: one of ", ToString(gradient.shape()),
            " arrives where one of ", ToString(gradient_.shape()), " has arrived");
  // Addition commutes, so whichever of the two nobody else reads may hold the sum.
  if (!gradient_.unique() && gradient.unique()) std::swap(gradient_, gradient);
  if (gradient_.unique()) {
    Dispatch<Add>(context, {.a = gradient_, .b = gradient, .y = gradient_});
    return;
  }
  Tensor sum = context.Empty(gradient_.shape(), gradient_.dtype(), MemoryCategory::kActivations);
  Dispatch<Add>(context, {.a = gradient_, .b = gradient, .y = sum});
  gradient_ = std::move(sum);
}

}  // namespace nasengine
