// Where a node puts its result and its gradient, and in which type.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/core/context.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/core/tensor.h"
#include "kernels/elementwise/elementwise.h"

namespace nasengine {

// A result like `x` in type, of `shape`; its elements are not set.
inline Tensor EmptyLike(Context& context, const Tensor& x, const Shape& shape) {
  return context.Empty(shape, x.dtype(), MemoryCategory::kActivations);
}

// Where a result of x's shape may be written: x itself when nobody else reads it.
inline Tensor InPlace(Context& context, const Tensor& x) {
  return x.unique() ? x : EmptyLike(context, x, x.shape());
}

// `x` in `dtype`, f32 and bf16 being cast into each other: itself when it is of that type.
inline Tensor InType(Context& context, const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = context.Empty(x.shape(), dtype, MemoryCategory::kActivations);
  Dispatch<Cast>(context, {.x = x, .y = y});
  return y;
}

}  // namespace nasengine
