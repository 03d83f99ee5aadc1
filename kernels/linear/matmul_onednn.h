// Plans of oneDNN's matrix product, shared by the linear layer and pointwise convolution, which is
// a linear layer over pixels. For *_onednn.cc.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/core/onednn_check.h"

namespace nasengine {

// x (rows, in)   w (out, in)   bias (out)   y (rows, out)
struct MatmulSizes {
  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
};

// Of x and w, and of what results; the bias is f32.
struct MatmulTypes {
  DType x = DType::kF32;
  DType y = DType::kF32;
};

// y = activation(x w^T + bias). Tensors to bind: x, w, bias (if `has_bias`), y.
void BuildMatmulForward(OnednnPlan& plan, const MatmulSizes& sizes, const MatmulTypes& types,
                        bool has_bias, Activation activation);
// dx = dy w, all of `dtype`. Tensors to bind: dy, w, dx.
void BuildMatmulBackwardData(OnednnPlan& plan, const MatmulSizes& sizes, DType dtype);

}  // namespace nasengine
