// The three products of a layer that multiplies rows by a matrix, a pointwise convolution or a
// fully connected one, on CUDA.
//   x (rows, in)   w (out, in)   y (rows, out)
// x, dx, w and dy of one type, f32 or bf16. Sums are f32.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv/matrix_product_cuda_plan.h"
#include "kernels/core/activation.h"
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace nasengine::cuda {

// y = activation(x w^T + bias); y of x's type or f32, bias f32 or empty.
void LayerForward(Context& context, const char* name, const LayerSizes& sizes, const ConstView& x,
                  const ConstView& w, const ConstView& bias, Activation activation, const View& y);

// dx = dy w.
void LayerBackwardData(Context& context, const char* name, const LayerSizes& sizes,
                       const ConstView& dy, const ConstView& w, const View& dx);

// dw = dy^T x, f32, or += where it accumulates. `workspace`: of LayerBackwardWeightsBytes.
void LayerBackwardWeights(Context& context, const char* name, const LayerSizes& sizes,
                          const ConstView& x, const ConstView& dy, const View& dw, bool accumulate,
                          void* workspace);
std::size_t LayerBackwardWeightsBytes(const Context& context, const LayerSizes& sizes);

}  // namespace nasengine::cuda
