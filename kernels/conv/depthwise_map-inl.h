// The loops around a tile of output columns, shared by the depthwise kernels: pieces of work, row
// blocks, tiles, channel vectors. Compiled once per instruction set.
// SPDX-License-Identifier: MIT
#if defined(NASENGINE_KERNELS_CONV_DEPTHWISE_MAP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_KERNELS_CONV_DEPTHWISE_MAP_INL_H_
#undef NASENGINE_KERNELS_CONV_DEPTHWISE_MAP_INL_H_
#else
#define NASENGINE_KERNELS_CONV_DEPTHWISE_MAP_INL_H_
#endif

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/conv/depthwise_conv_highway.h"
#include "kernels/conv/tile_width-inl.h"
#include "kernels/core/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine {
namespace HWY_NAMESPACE {

// Output columns of a tile: as many as fill the registers, and few for small maps.
#if HWY_TARGET == HWY_AVX3
using MapTileWidths = std::integer_sequence<int, 14, 8, 4>;
#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_NEON
using MapTileWidths = std::integer_sequence<int, 7>;
#else
using MapTileWidths = std::integer_sequence<int, 4>;
#endif

// Columns that a tile of the map costs by itself: it finds its borders, its rows and its taps.
inline constexpr int kMapTileCost = 2;

// Whether i is outside [0, size).
HWY_INLINE bool Outside(std::int64_t i, std::int64_t size) {
  return static_cast<std::uint64_t>(i) >= static_cast<std::uint64_t>(size);
}

// pointer + step, in a way that compilers cannot see through: they would keep one address for each
// of a tile's vectors, and spend more on storing and loading those than on the sums.
template <class T>
HWY_INLINE T* Advance(T* pointer, std::int64_t step) {
  pointer += step;
  asm("" : "+r"(pointer));
  return pointer;
}

// Whether channel c is the first of a cache line, where lines begin with a pixel: vectors of bf16
// are two to a line.
template <class T>
HWY_INLINE bool BeginsLine(std::int64_t c) {
  constexpr std::int64_t kLine = 64 / sizeof(T);
  return c % kLine == 0;
}

// Brings `columns` vectors, `step` elements apart, towards the core, wherever they lie.
template <class T>
HWY_INLINE void PrefetchColumns(const T* first, std::int64_t columns, std::int64_t step) {
  auto at = reinterpret_cast<std::uintptr_t>(first);
  const auto bytes = static_cast<std::uintptr_t>(step) * sizeof(T);
  for (std::int64_t i = 0; i < columns; ++i, at += bytes) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): past the tensor's end a pointer may not point.
    hwy::Prefetch(reinterpret_cast<const void*>(at));
  }
}

// One output row of a tile: where it lies and the channels' first addresses.
template <class T>
struct TileRow {
  const T* in;        // image n, channel c
  const T* w;         // tap (0, 0), channel c
  const float* bias;  // channel c, or null
  T* out;             // image n, row y, column 0, channel c
  std::int64_t y;
  std::int64_t x;      // of the tile's first column
  std::int64_t ahead;  // elements of `in` from this tile to the next to be prefetched, or 0

  HWY_INLINE void Next(const depthwise::MapJob<T>& job) {
    ++y;
    out += job.out_w * job.c;
  }
};

// Runs Tile::Run(job, lanes, first_row, y_end) for every tile and row block of pieces [begin, end);
// tiles start at column `first_x` and are Tile::kColumns wide.
template <class Tile, class T>
void RunTiles(const depthwise::MapJob<T>& job, std::int64_t first_x, std::int64_t begin,
              std::int64_t end) {
  const std::int64_t groups = job.groups();
  while (begin < end) {
    const std::int64_t block = begin / groups;
    const std::int64_t group = begin % groups;
    const std::int64_t count = std::min(groups - group, end - begin);
    begin += count;
    const std::int64_t n = block / job.blocks();
    const std::int64_t y_begin = block % job.blocks() * job.rows();
    const std::int64_t y_end = std::min(job.out_h, y_begin + job.rows());
    const std::int64_t c_begin = group * depthwise::kChannelGroup;
    const std::int64_t c_end = std::min(job.c, c_begin + count * depthwise::kChannelGroup);
    const T* image = job.in + n * job.in_h * job.in_w * job.c;
    T* out = job.out + n * job.out_h * job.out_w * job.c;
    for (std::int64_t x = first_x; x < job.out_w; x += Tile::kColumns) {
      // To the right, or down to the next block's first tile.
      const bool last = x + Tile::kColumns >= job.out_w;
      const std::int64_t ahead =
          job.prefetch
              ? job.c * (last ? Tile::InRows(job.rows()) * job.in_w - Tile::InColumns(x - first_x)
                              : Tile::InColumns(Tile::kColumns))
              : 0;
      VisitChannels(c_begin, c_end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
        const std::int64_t ahead_here = BeginsLine<T>(c) ? ahead : 0;
        Tile::Run(job, lanes,
                  TileRow<T>{image + c, job.w + c, job.bias == nullptr ? nullptr : job.bias + c,
                             out + y_begin * job.out_w * job.c + c, y_begin, x, ahead_here},
                  y_end);
      });
    }
  }
  if (job.stream) hwy::FlushStream();
}

// Calls compute(std::bool_constant<border>()): with checks of every column, or without where
// `inside` says that they need none. Partial vectors, which are rare, are always checked.
template <class L, class Compute>
HWY_INLINE void WithBorder(const L& /*lanes*/, bool inside, const Compute& compute) {
  if constexpr (L::kFull) {
    if (inside) return compute(std::false_type());
  }
  compute(std::true_type());
}

// Whether any of the sums is NaN, or two are infinities of both signs.
template <int kColumns, class L>
HWY_INLINE bool MayHaveNaN(const L& /*lanes*/, const typename L::V (&sums)[kColumns]) {
  auto all = sums[0];
#pragma GCC unroll 16
  for (int t = 1; t < kColumns; ++t) all = hn::Add(all, sums[t]);
  return !hn::AllFalse(hn::DFromV<typename L::V>(), hn::IsNaN(all));
}

// Calls store(sum, to) for the columns inside the map; only the first may lie before it.
template <bool kBorder, int kColumns, class V, class T, class Store>
HWY_INLINE void ForEachColumn(const depthwise::MapJob<T>& job, const TileRow<T>& row,
                              const V (&sums)[kColumns], const Store& store) {
  T* out = row.out + row.x * job.c;
  const std::int64_t columns = job.out_w - row.x;
#pragma GCC unroll 16
  for (int t = 0; t < kColumns; ++t, out = Advance(out, job.c)) {
    if (kBorder && t >= columns) break;
    if (!kBorder || t > 0 || row.x >= 0) store(sums[t], out);
  }
}

// Writes the sums of a tile.
template <bool kBorder, int kColumns, class L, class T>
HWY_INLINE void StoreTile(const depthwise::MapJob<T>& job, const L& lanes, const TileRow<T>& row,
                          const typename L::V (&sums)[kColumns]) {
  using V = typename L::V;
  if (L::kFull && job.stream) {
    ForEachColumn<kBorder>(job, row, sums, [&](V sum, T* to) HWY_ATTR { lanes.Stream(sum, to); });
  } else if (std::is_same_v<T, BFloat16> && HWY_UNLIKELY(MayHaveNaN(lanes, sums))) {
    ForEachColumn<kBorder>(job, row, sums, [&](V sum, T* to) HWY_ATTR { lanes.Store(sum, to); });
  } else {
    ForEachColumn<kBorder>(job, row, sums,
                           [&](V sum, T* to) HWY_ATTR { lanes.StoreNumbers(sum, to); });
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nasengine
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
