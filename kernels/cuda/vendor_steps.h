// What is left to do around a vendor's product or convolution: bias and activation where it has
// none, widening, adding a result to what is there, sums of columns. Kernels of ours.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/core/activation.h"
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace nasengine::cuda {

// to = activation(from + bias), element by element, in f32, rounded once. `to` may be `from`. Each
// is f32 or bf16; bias, f32, has one element for each of the last axis, or is empty.
void AddBiasAndActivate(Context& context, ConstView from, ConstView bias, Activation activation,
                        View to);

// to = from, as f32.
inline void Widen(Context& context, ConstView from, View to) {
  AddBiasAndActivate(context, from, {}, Activation::kNone, to);
}

// to += from, both f32.
void AddTo(Context& context, ConstView from, View to);

// to[j] = sum over i of from[i, j], added to what is there if `accumulate`. `from` is a matrix of
// f32 or bf16, `to` f32. Sums in f32, always in the same order.
void SumColumns(Context& context, ConstView from, bool accumulate, View to);

}  // namespace nasengine::cuda
