// SPDX-License-Identifier: MIT
#include "kernels/conv/packed_product.h"

#include "kernels/core/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/packed_product.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv/row_product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

// What becomes of a tile of sums whose first row is row `first` of y.
struct FinishRows {
  const PackedProduct& product;
  std::int64_t first;

  template <int kRows, int kVectors>
  HWY_INLINE void Prefetch(std::int64_t row, std::int64_t column) const {
    PrefetchTile<kRows, kVectors>(product.y + (first + row) * product.columns + column,
                                  product.columns);
  }

  template <class L, class V, int kRows>
  HWY_INLINE void operator()(const L& lanes, std::int64_t row, std::int64_t column,
                             const V (&values)[kRows]) const {
    const V bias = lanes.Load(product.bias + column);
    std::int64_t at = (first + row) * product.columns + column;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r, at += product.columns) {
      V value = hn::Add(values[r], bias);
      if (product.addend != nullptr) value = hn::Add(value, lanes.Load(product.addend + at));
      lanes.Store(Activate(lanes, value, product.activation), product.y + at);
    }
  }
};

// The first of `rows` rows, a multiple of the tile's but for the end, that lies beyond unit `bound`
// of the product's, for the panel whose units begin at `begin` and are `per_row` a row.
HWY_INLINE std::int64_t RowAt(std::int64_t bound, std::int64_t begin, std::int64_t per_row,
                              std::int64_t rows, std::int64_t tile_rows) {
  const std::int64_t row = std::max<std::int64_t>(0, bound - begin) / per_row;
  return row >= rows ? rows : row / tile_rows * tile_rows;
}

void RunPackedProductTarget(const PackedProduct& product, std::int64_t part, std::int64_t parts) {
  const std::int64_t width = ProductLanes();
  // A unit of work is one vector of one row; those of a panel are neighbours.
  const std::int64_t units = (product.columns + width - 1) / width * product.rows;
  const std::int64_t begin = units * part / parts;
  const std::int64_t end = units * (part + 1) / parts;
  NothingAhead nothing;
  ForEachPanel(product.columns, [&](auto vectors, std::int64_t column) HWY_ATTR {
    constexpr int kVectors = decltype(vectors)::value;
    const std::int64_t before = column / width * product.rows;
    const auto row_at = [&](std::int64_t bound) HWY_ATTR {
      return RowAt(bound, before, kVectors, product.rows, TileRows<kVectors>());
    };
    const std::int64_t first = row_at(begin);
    const std::int64_t rows = row_at(end) - first;
    if (rows <= 0) return;
    MultiplyPanel<kVectors>(product.a + first * product.a_step, product.a_step, rows, product.depth,
                            product.packed + column * product.depth, column, product.columns,
                            FinishRows{product, first}, nothing);
  });
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
HWY_EXPORT(RunPackedProductTarget);

void RunPackedProduct(const PackedProduct& product, std::int64_t part, std::int64_t parts) {
  HWY_DYNAMIC_DISPATCH(RunPackedProductTarget)(product, part, parts);
}

}  // namespace nasengine
#endif
