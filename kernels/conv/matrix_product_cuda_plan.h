// How our CUDA matrix products are cut into tiles and, where their results are few, into parts of
// the depth: plain arithmetic, apart from CUDA, so that host side, kernels and tests use the same.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/divide_up.h"

namespace nasengine::cuda {

struct LayerSizes {
  std::int64_t rows = 0;
  std::int64_t in = 0;
  std::int64_t out = 0;
};

struct ProductShape {
  std::int64_t rows;
  int columns;
  std::int64_t depth;
  std::int64_t split_depth;  // of each block, the last excepted
};

// A block's tile of the result, and its threads: each owns a row of one operand's tile while that
// is loaded.
inline constexpr int kProductRows = 128;
inline constexpr int kProductThreads = kProductRows;
// Lines of eight quads.
inline constexpr int kPiece = 32;

// Columns of a tile, in pieces: 64 unless 32 leave much less of the tiles empty.
inline int ProductPieces(std::int64_t columns) {
  const std::int64_t wide = DivideUp(columns, 64) * 64;
  const std::int64_t narrow = DivideUp(columns, 32) * 32;
  return 4 * narrow <= 3 * wide ? 1 : 2;
}

inline std::int64_t ColumnTiles(std::int64_t columns) {
  return DivideUp(columns, ProductPieces(columns) * kPiece);
}

// Blocks that a multiprocessor holds at once.
inline constexpr int kBlocksAtOnce = 3;

// The depth of each split: as many blocks as the device holds at once, none with less than a few
// tiles. More would leave more parts, which are f32 and as large as the result.
inline std::int64_t SplitDepth(int multiprocessors, std::int64_t rows, std::int64_t columns,
                               std::int64_t depth) {
  constexpr std::int64_t kLeast = 256;
  const std::int64_t tiles = DivideUp(rows, kProductRows) * ColumnTiles(columns);
  const std::int64_t splits =
      std::max<std::int64_t>(1, std::int64_t{kBlocksAtOnce} * multiprocessors / tiles);
  return DivideUp(std::max(kLeast, DivideUp(depth, splits)), kPiece) * kPiece;
}

// Of dw's two sizes, the one that fills tiles of rows better becomes the rows of the product.
struct WeightsPlan {
  WeightsPlan(int multiprocessors, const LayerSizes& sizes) {
    const auto area = [](std::int64_t rows, std::int64_t columns) {
      return DivideUp(rows, kProductRows) * ColumnTiles(columns) * ProductPieces(columns);
    };
    turned = area(sizes.in, sizes.out) < area(sizes.out, sizes.in);
    shape.rows = turned ? sizes.in : sizes.out;
    shape.columns = static_cast<int>(turned ? sizes.out : sizes.in);
    shape.depth = sizes.rows;
    shape.split_depth = SplitDepth(multiprocessors, shape.rows, shape.columns, shape.depth);
  }
  std::int64_t splits() const { return DivideUp(shape.depth, shape.split_depth); }
  std::size_t bytes() const {
    return static_cast<std::size_t>(splits() * shape.rows * shape.columns) * sizeof(float);
  }

  ProductShape shape{};
  bool turned = false;
};

}  // namespace nasengine::cuda
