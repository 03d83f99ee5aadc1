// The choice of a depthwise tile's width among those that a kernel is compiled for. Compiled once
// per instruction set.
// SPDX-License-Identifier: MIT
#if defined(NASENGINE_KERNELS_CONV_TILE_WIDTH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_KERNELS_CONV_TILE_WIDTH_INL_H_
#undef NASENGINE_KERNELS_CONV_TILE_WIDTH_INL_H_
#else
#define NASENGINE_KERNELS_CONV_TILE_WIDTH_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

HWY_BEFORE_NAMESPACE();
namespace nasengine {
namespace HWY_NAMESPACE {

// Calls visit(std::integral_constant<int, width>) with the width that finishes `columns` first, the
// first of equals; a tile by itself costs as much as `tile_cost` columns.
template <int... kWidths, class Visit>
HWY_INLINE void VisitBestTile(std::int64_t columns, std::integer_sequence<int, kWidths...>,
                              int tile_cost, const Visit& visit) {
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  int best = 0;
  for (const int width : {kWidths...}) {
    const std::int64_t cost = (columns + width - 1) / width * (width + tile_cost);
    if (cost < least) best = width;
    least = std::min(cost, least);
  }
  ((kWidths == best ? visit(std::integral_constant<int, kWidths>()) : void()), ...);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nasengine
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
