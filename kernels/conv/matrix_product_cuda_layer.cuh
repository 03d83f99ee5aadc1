// A layer's matrices as operands and results of a product, for its host side.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/conv/matrix_product_cuda.cuh"
#include "kernels/conv/matrix_product_cuda.h"
#include "kernels/cuda/sum_parts.h"

namespace nasengine::cuda {

// A matrix (lines, across) whose rows follow each other.
template <DepthOrder kOrder, class T, class Transform = Unchanged<T>>
ProductOperand<T, kOrder, Transform> OperandOf(const T* data, std::int64_t across,
                                               const Transform& transform = {}) {
  Access access = AccessOf(data, across, across);
  if constexpr (Transform::kInputs == 2) {
    access = std::max(access, AccessOf(transform.second, across, across));
  }
  return {.data = data, .pitch = across, .access = access, .transform = transform};
}

// Whether a result, and what is read beside it, takes whole vectors of the engine's.
template <class T, class Out>
bool IsWide(const Out* data, std::int64_t columns) {
  return AccessOf(data, columns, columns) == Access::kWide &&
         columns % ProductEngine<T, 1>::kVector == 0;
}

template <class T, class Out>
StoreResult<Out> ResultOf(Out* data, std::int64_t columns) {
  return {.data = data, .wide = IsWide<T>(data, columns)};
}

// The parts of dw = dy^T x, from operands with the depth outside, by an epilogue for plan.shape.
template <class X, class Dy, class Epilogue>
void RunWeightParts(Context& context, const char* name, const WeightsPlan& plan, const X& x,
                    const Dy& dy, const Epilogue& epilogue) {
  if (plan.turned) {
    RunProduct(context, name, plan.shape, x, dy, epilogue);
  } else {
    RunProduct(context, name, plan.shape, dy, x, epilogue);
  }
}

// dw (out, in) = the sum of these parts, or +=.
inline void SumWeightParts(Context& context, const WeightsPlan& plan, const float* parts,
                           bool accumulate, float* dw) {
  const ProductShape& shape = plan.shape;
  if (plan.turned) {
    SumTurnedParts(context, parts, plan.splits(), shape.columns, shape.rows, accumulate, dw);
  } else {
    SumParts(context, parts, plan.splits(), shape.rows * shape.columns, accumulate, dw);
  }
}

}  // namespace nasengine::cuda
