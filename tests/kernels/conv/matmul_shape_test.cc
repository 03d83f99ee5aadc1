// Products in the terms of BLAS: for every pointwise convolution and linear layer of the built-in
// spaces and networks, the described product, computed naively column by column, is the operator's
// definition.
// SPDX-License-Identifier: MIT
#include "kernels/conv/matmul_shape.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/rng.h"
#include "tests/support/builtin_layers.h"

namespace nasengine {
namespace {

using Matrix = std::vector<float>;

constexpr MatmulOperator kOperators[] = {MatmulOperator::kForward, MatmulOperator::kBackwardData,
                                         MatmulOperator::kBackwardWeights};

struct Sizes {
  std::int64_t rows, c_in, c_out;
};

// Small whole numbers: their sums are exact in any order.
Matrix Filled(std::int64_t elements, std::uint64_t stream) {
  Matrix matrix(static_cast<std::size_t>(elements));
  const Rng rng(1, RngPurpose::kTest);
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    matrix[i] = static_cast<float>(static_cast<int>(4 * rng.Normal(stream, i)));
  }
  return matrix;
}

// result = op(a) op(b) as MatmulShape says it, and nothing else known.
Matrix ColumnMajorProduct(const MatmulShape& s, const Matrix& a, const Matrix& b) {
  Matrix result(static_cast<std::size_t>(s.n * s.ldc), -1);
  const auto at = [](const Matrix& matrix, std::int64_t row, std::int64_t column,
                     std::int64_t leading) {
    return matrix.at(static_cast<std::size_t>(column * leading + row));
  };
  for (std::int64_t j = 0; j < s.n; ++j) {
    for (std::int64_t i = 0; i < s.m; ++i) {
      float sum = 0;
      for (std::int64_t k = 0; k < s.k; ++k) {
        sum += (s.transpose_a ? at(a, k, i, s.lda) : at(a, i, k, s.lda)) *
               (s.transpose_b ? at(b, j, k, s.ldb) : at(b, k, j, s.ldb));
      }
      result.at(static_cast<std::size_t>(j * s.ldc + i)) = sum;
    }
  }
  return result;
}

// y = x w^T, dx = dy w or dw = dy^T x, row by row.
Matrix Definition(MatmulOperator op, const Sizes& s, const Matrix& x, const Matrix& w,
                  const Matrix& y) {
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  Matrix result(op == MatmulOperator::kForward        ? y.size()
                : op == MatmulOperator::kBackwardData ? x.size()
                                                      : w.size());
  for (std::size_t r = 0; r < size(s.rows); ++r) {
    for (std::size_t o = 0; o < size(s.c_out); ++o) {
      for (std::size_t i = 0; i < size(s.c_in); ++i) {
        const std::size_t in_x = r * size(s.c_in) + i, in_w = o * size(s.c_in) + i,
                          in_y = r * size(s.c_out) + o;
        if (op == MatmulOperator::kForward) result[in_y] += x[in_x] * w[in_w];
        if (op == MatmulOperator::kBackwardData) result[in_x] += y[in_y] * w[in_w];
        if (op == MatmulOperator::kBackwardWeights) result[in_w] += y[in_y] * x[in_x];
      }
    }
  }
  return result;
}

void ExpectDefinition(const Sizes& s) {
  const Matrix x = Filled(s.rows * s.c_in, 1), w = Filled(s.c_out * s.c_in, 2),
               y = Filled(s.rows * s.c_out, 3);
  for (const MatmulOperator op : kOperators) {
    const MatmulShape shape = ShapeOfMatmul(op, s.rows, s.c_in, s.c_out, DType::kF32, DType::kF32);
    const Matrix& a = op == MatmulOperator::kBackwardWeights ? x : w;
    const Matrix& b = op == MatmulOperator::kForward ? x : y;
    EXPECT_EQ(ColumnMajorProduct(shape, a, b), Definition(op, s, x, w, y))
        << "operator " << static_cast<int>(op) << ": " << s.rows << " rows, " << s.c_in << " to "
        << s.c_out;
    // Whole matrices: a column holds what the matrix has, and no more.
    EXPECT_EQ(shape.lda, shape.transpose_a ? shape.k : shape.m);
    EXPECT_EQ(shape.ldb, shape.transpose_b ? shape.n : shape.k);
    EXPECT_EQ(shape.ldc, shape.m);
  }
}

// Channels of the distinct products, pointwise and linear.
struct Channels {
  std::set<std::pair<std::int64_t, std::int64_t>> pointwise;
  std::set<std::pair<std::int64_t, std::int64_t>> linear;
};

Channels BuiltinChannels() {
  Channels channels;
  for (const LayerDesc& layer : BuiltinLayers()) {
    switch (layer.op) {
      case LayerOp::kConv:
        if (layer.kernel == 1) channels.pointwise.insert({layer.in.c, layer.out.c});
        break;
      case LayerOp::kMbconv:
        if (layer.expand > 1) channels.pointwise.insert({layer.in.c, ExpandedChannels(layer)});
        channels.pointwise.insert({ExpandedChannels(layer), layer.out.c});
        break;
      case LayerOp::kClassifier:
        channels.linear.insert({layer.in.c, layer.out.c});
        break;
      case LayerOp::kZero:
        break;
    }
  }
  return channels;
}

TEST(MatmulShapeTest, IsTheDefinitionForEveryBuiltinLayer) {
  const Channels channels = BuiltinChannels();
  EXPECT_GT(channels.pointwise.size(), 50u);
  EXPECT_GE(channels.linear.size(), 2u);
  // Rows are pixels, however many: three tell an image from another and rows from channels.
  for (const auto& [c_in, c_out] : channels.pointwise) ExpectDefinition({3, c_in, c_out});
  for (const auto& [c_in, c_out] : channels.linear) ExpectDefinition({3, c_in, c_out});
}

TEST(MatmulShapeTest, IsTheDefinitionForOddSizes) {
  for (const Sizes& s : {Sizes{1, 1, 1}, {1, 7, 5}, {4, 1, 9}, {6, 9, 1}, {70, 33, 19}}) {
    ExpectDefinition(s);
  }
}

TEST(MatmulShapeTest, KeepsTypes) {
  const MatmulShape shape =
      ShapeOfMatmul(MatmulOperator::kBackwardWeights, 8, 16, 24, DType::kBf16, DType::kF32);
  EXPECT_EQ(shape.operands, DType::kBf16);
  EXPECT_EQ(shape.result, DType::kF32);
}

TEST(MatmulShapeTest, RefusesEmptyProducts) {
  for (const Sizes& s : {Sizes{0, 1, 1}, {1, 0, 1}, {1, 1, 0}}) {
    EXPECT_THROW(
        ShapeOfMatmul(MatmulOperator::kForward, s.rows, s.c_in, s.c_out, DType::kF32, DType::kF32),
        Error);
  }
}

TEST(MatmulShapeTest, EveryBuiltinPointwiseColumnIsAlignedTo16Bytes) {
  alignas(64) const float data[16] = {};
  for (const auto& [c_in, c_out] : BuiltinChannels().pointwise) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      for (const MatmulOperator op : kOperators) {
        const MatmulShape s = ShapeOfMatmul(op, 64, c_in, c_out, dtype, dtype);
        for (const std::int64_t leading : {s.lda, s.ldb, s.ldc}) {
          EXPECT_EQ(ColumnAlignment(data, leading, dtype), 16) << c_in << " to " << c_out;
        }
      }
    }
  }
}

TEST(MatmulShapeTest, AlignmentIsThatOfTheLeastAlignedColumn) {
  alignas(64) const float data[16] = {};
  EXPECT_EQ(ColumnAlignment(data, 10, DType::kF32), 8);
  EXPECT_EQ(ColumnAlignment(data, 10, DType::kBf16), 4);
  EXPECT_EQ(ColumnAlignment(data, 33, DType::kBf16), 2);
  EXPECT_EQ(ColumnAlignment(data, 33, DType::kF32), 4);
  EXPECT_EQ(ColumnAlignment(data + 1, 32, DType::kF32), 4);
  EXPECT_EQ(ColumnAlignment(data + 2, 32, DType::kF32), 8);
  EXPECT_EQ(ColumnAlignment(data + 4, 1280, DType::kBf16), 16);
}

}  // namespace
}  // namespace nasengine
