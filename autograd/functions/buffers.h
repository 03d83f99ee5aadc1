// Where a node puts its result and its gradient.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace nasengine {

// A result like `x` in type, of `shape`; its elements are not set.
inline Tensor EmptyLike(Context& context, const Tensor& x, const Shape& shape) {
  return context.Empty(shape, x.dtype(), MemoryCategory::kActivations);
}

// Where a result of x's shape may be written: x itself when nobody else reads it.
inline Tensor InPlace(Context& context, const Tensor& x) {
  return x.unique() ? x : EmptyLike(context, x, x.shape());
}

}  // namespace nasengine
