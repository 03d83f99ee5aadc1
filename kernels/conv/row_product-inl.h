// Products of a few rows with a packed matrix, tile by tile in registers; what happens to a tile's
// values is the caller's. Compiled once per instruction set.
// SPDX-License-Identifier: MIT
#if defined(NASENGINE_KERNELS_CONV_ROW_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_KERNELS_CONV_ROW_PRODUCT_INL_H_
#undef NASENGINE_KERNELS_CONV_ROW_PRODUCT_INL_H_
#else
#define NASENGINE_KERNELS_CONV_ROW_PRODUCT_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/conv/row_factors-inl.h"
#include "kernels/core/lanes-inl.h"
#include "kernels/core/read_ahead.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine {
namespace HWY_NAMESPACE {

// Rows of a tile of `kVectors` vectors: sums, a row of the packed matrix and one more value stay in
// registers.
template <int kVectors>
constexpr int TileRows() {
  if (kVectorRegisters == 32) return kVectors == 3 ? 8 : 12;
  return kVectors == 3 ? 4 : (kVectors == 2 ? 6 : 12);
}

// Calls visit(std::integral_constant<int, vectors>, first column) for panels of one to three
// vectors that cover `columns`.
template <class Visit>
HWY_INLINE void ForEachPanel(std::int64_t columns, const Visit& visit) {
  const std::int64_t width = ProductLanes();
  std::int64_t left = (columns + width - 1) / width;
  std::int64_t column = 0;
  for (; left == 3 || left > 4; left -= 3, column += 3 * width) {
    visit(std::integral_constant<int, 3>(), column);
  }
  for (; left >= 2; left -= 2, column += 2 * width) {
    visit(std::integral_constant<int, 2>(), column);
  }
  if (left == 1) visit(std::integral_constant<int, 1>(), column);
}

// packed = the (depth, columns) matrix whose element (d, j) is w[d * depth_step + j * column_step],
// panel after panel, a row of a panel's factors contiguous, filled up with zeros. Panels are dealt
// out to `parts` callers.
template <class T, class Factor>
HWY_INLINE void PackPanels(const T* w, std::int64_t depth, std::int64_t depth_step,
                           std::int64_t columns, std::int64_t column_step, Factor* packed,
                           std::int64_t part, std::int64_t parts) {
  std::int64_t index = 0;
  ForEachPanel(columns, [&](auto vectors, std::int64_t column) HWY_ATTR {
    if (index++ % parts != part) return;
    const std::int64_t width = vectors * ProductLanes();
    const std::int64_t filled = std::min(width, columns - column);
    const T* from = w + column * column_step;
    Factor* to = packed + column * Factors<Factor>(depth);
    for (std::int64_t d = 0; d < depth; d += kNeighbours<Factor>, to += width) {
      for (std::int64_t j = 0; j < filled; ++j) {
        to[j] =
            FactorOf(from + d * depth_step + j * column_step, depth_step, d + 1 == depth, Factor{});
      }
      std::fill(to + filled, to + width, Factor{});
    }
  });
}

// Hands one vector of every row of a tile to `finish`, cut to the columns that exist.
template <int kRows, class Finish>
HWY_INLINE void FinishColumn(std::int64_t row, std::int64_t column, std::int64_t columns,
                             const ProductVector (&values)[kRows], const Finish& finish) {
  if (column + ProductLanes() <= columns) {
    return finish(FullLanes<ProductTag>(), row, column, values);
  }
  if (column >= columns) return;
#if HWY_MEM_OPS_MIGHT_FAULT
  using Single = hn::CappedTag<float, 1>;
  HWY_ALIGN float lanes[kRows][HWY_MAX_BYTES / sizeof(float)];
  for (int r = 0; r < kRows; ++r) hn::Store(values[r], ProductTag(), lanes[r]);
  for (std::int64_t i = 0; column + i < columns; ++i) {
    hn::Vec<Single> single[kRows];
    for (int r = 0; r < kRows; ++r) single[r] = hn::Set(Single(), lanes[r][i]);
    finish(FullLanes<Single>(), row, column + i, single);
  }
#else
  finish(FirstLanes<ProductTag>(columns - column), row, column, values);
#endif
}

// Asks for the cache lines of `kRows` rows of `kVectors` vectors at `first`, `step` elements apart.
template <int kRows, int kVectors, class T>
HWY_INLINE void PrefetchTile(const T* first, std::int64_t step) {
  constexpr std::int64_t kLine = 64 / sizeof(T);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    for (std::int64_t i = 0; i < kVectors * ProductLanes(); i += kLine) {
      hwy::Prefetch(first + r * step + i);
    }
  }
}

// finish(lanes, row, column, values) gets rows [row, row + kRows) of a * packed, one vector of
// columns at a time. Before, finish.Prefetch<kRows, kVectors>(row, column) may ask for the memory
// that it will touch, which arrives while the tile is summed up; what `ahead` has is asked for in
// passing. a (rows, depth), both in factors.
template <int kRows, int kVectors, class Factor, class Finish, class Ahead>
HWY_INLINE void ProductTile(const Factor* a, std::int64_t a_step, std::int64_t depth,
                            const Factor* panel, std::int64_t row, std::int64_t column,
                            std::int64_t columns, const Finish& finish, Ahead& ahead) {
  const ProductTag d;
  const std::int64_t width = ProductLanes();
  finish.template Prefetch<kRows, kVectors>(row, column);
  ProductVector sums[kVectors][kRows];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) sums[v][r] = hn::Zero(d);
  }
  auto lines = ahead.Take(depth);
  for (std::int64_t k = 0; k < depth; ++k, panel += kVectors * width) {
    lines.Ask();
    ProductVector b[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) b[v] = LoadFactors(panel + v * width);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const ProductVector value = SetFactors(a[r * a_step + k]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[v][r] = MultiplyAdd(a, value, b[v], sums[v][r]);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    FinishColumn<kRows>(row, column + v * width, columns, sums[v], finish);
  }
}

// The columns of one panel for `rows` rows of a; see ProductTile. Tiles begin at even rows where
// factors are pairs.
template <int kVectors, class Factor, class Finish, class Ahead>
HWY_INLINE void MultiplyPanel(const Factor* a, std::int64_t a_step, std::int64_t rows,
                              std::int64_t depth, const Factor* panel, std::int64_t column,
                              std::int64_t columns, const Finish& finish, Ahead& ahead) {
  std::int64_t row = 0;
  const auto tile = [&](auto tile_rows) HWY_ATTR {
    ProductTile<tile_rows, kVectors>(a + row * a_step, a_step, depth, panel, row, column, columns,
                                     finish, ahead);
  };
  constexpr int kRows = TileRows<kVectors>();
  constexpr int kFewRows = static_cast<int>(kNeighbours<Factor>);
  for (; row + kRows <= rows; row += kRows) tile(std::integral_constant<int, kRows>());
  for (; row + kFewRows <= rows; row += kFewRows) tile(std::integral_constant<int, kFewRows>());
  if constexpr (kFewRows > 1) {
    if (row < rows) tile(std::integral_constant<int, 1>());
  }
}

// a * packed for `rows` rows of a; see MultiplyPanel.
template <class Factor, class Finish, class Ahead>
HWY_INLINE void MultiplyRows(const Factor* a, std::int64_t a_step, std::int64_t rows,
                             std::int64_t depth, const Factor* packed, std::int64_t columns,
                             const Finish& finish, Ahead& ahead) {
  ForEachPanel(columns, [&](auto vectors, std::int64_t column) HWY_ATTR {
    MultiplyPanel<decltype(vectors)::value>(a, a_step, rows, depth, packed + column * depth, column,
                                            columns, finish, ahead);
  });
}

template <int kRows, int kVectors, class Factor>
HWY_INLINE void OuterProductTile(const Factor* a, std::int64_t a_step, const Factor* b,
                                 std::int64_t b_step, std::int64_t rows, float* sums_at,
                                 std::int64_t sums_step, ReadAhead& ahead) {
  const ProductTag d;
  const std::int64_t width = ProductLanes();
  ProductVector sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sums[i][v] = hn::LoadU(d, sums_at + i * sums_step + v * width);
    }
  }
  ReadAhead::Lines lines = ahead.Take(rows);
  for (std::int64_t row = 0; row < rows; ++row, a += a_step, b += b_step) {
    lines.Ask();
    ProductVector values[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) values[v] = LoadFactors(b + v * width);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const ProductVector factor = SetFactors(a[i]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[i][v] = MultiplyAdd(a, factor, values[v], sums[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sums[i][v], d, sums_at + i * sums_step + v * width);
    }
  }
}

// sums (m, columns) += a^T b over `rows` rows of factors. a (rows, m), b (rows, columns); rows of
// `b` and `sums` are padded to whole vectors. What `ahead` has is asked for in passing.
template <class Factor>
HWY_INLINE void AddOuterProducts(const Factor* a, std::int64_t a_step, std::int64_t m,
                                 const Factor* b, std::int64_t b_step, std::int64_t columns,
                                 std::int64_t rows, float* sums, std::int64_t sums_step,
                                 ReadAhead& ahead) {
  ForEachPanel(columns, [&](auto vectors, std::int64_t column) HWY_ATTR {
    constexpr int kVectors = decltype(vectors)::value;
    constexpr int kRows = TileRows<kVectors>();
    std::int64_t i = 0;
    for (; i + kRows <= m; i += kRows) {
      OuterProductTile<kRows, kVectors>(a + i, a_step, b + column, b_step, rows,
                                        sums + i * sums_step + column, sums_step, ahead);
    }
    for (; i + 4 <= m; i += 4) {
      OuterProductTile<4, kVectors>(a + i, a_step, b + column, b_step, rows,
                                    sums + i * sums_step + column, sums_step, ahead);
    }
    for (; i < m; ++i) {
      OuterProductTile<1, kVectors>(a + i, a_step, b + column, b_step, rows,
                                    sums + i * sums_step + column, sums_step, ahead);
    }
  });
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nasengine
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
