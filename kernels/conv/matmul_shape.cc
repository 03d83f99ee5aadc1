// SPDX-License-Identifier: MIT
#include "kernels/conv/matmul_shape.h"

#include "kernels/core/error.h"

namespace nasengine {

MatmulShape ShapeOfMatmul(MatmulOperator op, std::int64_t rows, std::int64_t c_in,
                          std::int64_t c_out, DType operands, DType result) {
  NAS_CHECK(rows >= 1 && c_in >= 1 && c_out >= 1, "matrix product: ", rows, " rows, ", c_in, " to ",
            c_out, " channels, expected at least one of each");
  MatmulShape shape{.operands = operands, .result = result};
  // A matrix row by row is its transpose column by column: x is (c_in, rows), w (c_in, c_out), y
  // (c_out, rows).
  switch (op) {
    case MatmulOperator::kForward:  // y^T = w x^T
      shape.transpose_a = true;
      shape.m = c_out;
      shape.n = rows;
      shape.k = c_in;
      shape.lda = c_in;
      shape.ldb = c_in;
      break;
    case MatmulOperator::kBackwardData:  // dx^T = w^T dy^T
      shape.m = c_in;
      shape.n = rows;
      shape.k = c_out;
      shape.lda = c_in;
      shape.ldb = c_out;
      break;
    case MatmulOperator::kBackwardWeights:  // dw^T = x^T dy
      shape.transpose_b = true;
      shape.m = c_in;
      shape.n = c_out;
      shape.k = rows;
      shape.lda = c_in;
      shape.ldb = c_out;
      break;
  }
  shape.ldc = shape.m;
  return shape;
}

std::int64_t ColumnAlignment(const void* data, std::int64_t leading, DType dtype) {
  constexpr std::uintptr_t kMost = 16;
  const std::uintptr_t bits = reinterpret_cast<std::uintptr_t>(data) |
                              static_cast<std::uintptr_t>(leading * SizeOf(dtype)) | kMost;
  return static_cast<std::int64_t>(bits & (~bits + 1));  // the lowest bit set
}

}  // namespace nasengine
