// The vectorised passes of batch normalisation over a range of rows of a (rows, c) matrix, without
// threads. x, y, dy and dx have one type, f32 or bf16.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "kernels/core/activation.h"
#include "kernels/core/tensor.h"

namespace nasengine::batch_norm {

// Rows [begin, end) of c channels each.
struct Rows {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t c = 0;
};

// Per channel; value = (x - mean) * scale + beta, then the activation.
struct Affine {
  const float* mean = nullptr;
  const float* scale = nullptr;
  const float* beta = nullptr;
  Activation activation = Activation::kNone;
};

// Per channel; what turns g, a gradient that the activation has passed, into that of the batch
// norm's input x: scale * g + slope * (x - mean) + offset.
struct NormGradient {
  Affine affine;
  const float* slope = nullptr;
  const float* offset = nullptr;
};

// pivot (c) = a guess at the mean from a few rows; totals (2, c) = sums of (x - pivot) and of its
// square. f32 within blocks of rows, f64 across them; `block` (2, c) is scratch.
void CentredSums(ConstView x, Rows rows, float* pivot, float* block, double* totals);

// y = activation((x - mean) * scale + beta). y may be x.
void Normalise(ConstView x, Rows rows, const Affine& affine, View y);

// totals (2, c) = sums of g and of g * (x - mean), g being dy where the activation passes it.
void GradientSums(ConstView x, ConstView dy, Rows rows, const Affine& affine, float* block,
                  double* totals);

// dx = scale * g + slope * (x - mean) + offset, with g as above. dx may be dy.
void InputGradient(ConstView x, ConstView dy, Rows rows, const Affine& affine, const float* slope,
                   const float* offset, View dx);

// The passes that a batch norm without an activation needs besides: dx = dy where the activation
// passes it, else 0, and y = activation(y). dx may be dy.
void MaskGradient(ConstView x, ConstView dy, Rows rows, const Affine& affine, View dx);
void Activate(View y, Rows rows, Activation activation);

}  // namespace nasengine::batch_norm
