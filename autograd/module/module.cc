// SPDX-License-Identifier: MIT
#include "autograd/module/module.h"

namespace nasengine {

double Module::ForwardInnerProduct(Context& context, const Tensor& x, const Tensor& dy,
                                   const ForwardOptions& options) const {
  Tape unrecorded(context, GradientsOf::kNothing);
  ForwardOptions frozen = options;
  if (options.norm == NormMode::kBatch) frozen.norm = NormMode::kBatchFrozen;
  return SumOfProducts(context, dy, Forward(unrecorded, Variable(x), frozen).value());
}

}  // namespace nasengine
