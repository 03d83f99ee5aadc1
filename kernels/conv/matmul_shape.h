// Pointwise convolution and the linear layer as a matrix product in the terms of BLAS, whose
// matrices are column by column: the one place where rows and columns change their roles. Plain
// C++, so that a machine without a device can prove it (tests/kernels/conv/matmul_shape_test.cc).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "kernels/core/tensor.h"

namespace nasengine {

//   x (rows, c_in)   w (c_out, c_in)   y (rows, c_out)   row by row
enum class MatmulOperator {
  kForward,          // y = x w^T
  kBackwardData,     // dx = dy w
  kBackwardWeights,  // dw = dy^T x
};

// result (m, n) = op(a) (m, k) * op(b) (k, n), all column by column, with so many elements from one
// column to the next. A transposed matrix lies in memory as (k, m) or (n, k).
//   forward           a = w    b = x    result = y
//   backward data     a = w    b = dy   result = dx
//   backward weights  a = x    b = dy   result = dw
struct MatmulShape {
  bool transpose_a = false;
  bool transpose_b = false;
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t lda = 0;
  std::int64_t ldb = 0;
  std::int64_t ldc = 0;
  DType operands = DType::kF32;
  DType result = DType::kF32;
  friend bool operator==(const MatmulShape&, const MatmulShape&) = default;
};

MatmulShape ShapeOfMatmul(MatmulOperator op, std::int64_t rows, std::int64_t c_in,
                          std::int64_t c_out, DType operands, DType result);

// The bytes, a power of two up to 16, by which the start of every column is aligned.
std::int64_t ColumnAlignment(const void* data, std::int64_t leading, DType dtype);

}  // namespace nasengine
