// Depthwise forward, and stride 1 backward-data as its mirror image: a tile of output columns stays
// in registers while every input vector of a kernel row is loaded once.
// SPDX-License-Identifier: MIT
#include "kernels/core/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/depthwise_conv_highway_gather.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv/depthwise_map-inl.h"
#include "kernels/conv/depthwise_rolling-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

template <int K, int S, int kWidth>
struct GatherTile {
  static constexpr int kColumns = kWidth;
  static constexpr int kSpan = (kColumns - 1) * S + K;  // input columns under the tile
  static_assert(kColumns + K + 2 <= kVectorRegisters, "sums, taps and a value would spill");

  static constexpr std::int64_t InColumns(std::int64_t out_columns) { return S * out_columns; }
  static constexpr std::int64_t InRows(std::int64_t out_rows) { return S * out_rows; }

  template <class L, class T>
  static HWY_INLINE void Run(const depthwise::MapJob<T>& job, const L& lanes, TileRow<T> row,
                             std::int64_t y_end) {
    const std::int64_t in_x = row.x * S - job.pad;
    const bool inside = in_x >= 0 && in_x + kSpan <= job.in_w && row.x + kColumns <= job.out_w;
    WithBorder(lanes, inside, [&](auto border) HWY_ATTR {
      for (; row.y < y_end; row.Next(job)) {
        Compute<decltype(border)::value>(job, lanes, row, in_x);
      }
    });
  }

  template <bool kBorder, class L, class T>
  static HWY_INLINE void Compute(const depthwise::MapJob<T>& job, const L& lanes,
                                 const TileRow<T>& row, std::int64_t in_x) {
    using V = typename L::V;
    V sums[kColumns];
    const V start = row.bias == nullptr ? lanes.Zero() : lanes.Load(row.bias);
#pragma GCC unroll 16
    for (V& sum : sums) sum = start;

    const std::int64_t in_y = row.y * S - job.pad;
    const std::int64_t kh_begin = std::max<std::int64_t>(0, -in_y);
    const std::int64_t kh_end = std::min<std::int64_t>(K, job.in_h - in_y);
    for (std::int64_t kh = kh_begin; kh < kh_end; ++kh) {
      V taps[K];
#pragma GCC unroll 8
      for (int kw = 0; kw < K; ++kw) taps[kw] = lanes.Load(row.w + (kh * K + kw) * job.tap_step);
      const T* in = row.in + ((in_y + kh) * job.in_w + in_x) * job.c;
      // The rows that no tile above has read.
      if (row.ahead != 0 && kh >= K - S) {
        PrefetchColumns(in + row.ahead, std::min<std::int64_t>(kColumns * S, job.in_w), job.c);
      }
#pragma GCC unroll 40
      for (int j = 0; j < kSpan; ++j, in = Advance(in, job.c)) {
        if (kBorder && j >= job.in_w - in_x) break;
        if (kBorder && j < K - 1 && j < -in_x) continue;
        const V value = lanes.Load(in);
#pragma GCC unroll 8
        for (int kw = 0; kw < K; ++kw) {
          if (j >= kw && (j - kw) % S == 0 && (j - kw) / S < kColumns) {
            sums[(j - kw) / S] = hn::MulAdd(value, taps[kw], sums[(j - kw) / S]);
          }
        }
      }
    }
    if (job.activation != Activation::kNone) {
#pragma GCC unroll 16
      for (V& sum : sums) sum = Activate(lanes, sum, job.activation);
    }
    StoreTile<kBorder>(job, lanes, row, sums);
  }
};

template <class T, int K, int S>
void GatherWith(const depthwise::MapJob<T>& job, std::int64_t begin, std::int64_t end) {
  if constexpr (K == 3 && kVectorRegisters >= 32) {
    if (job.rolls()) {
      return VisitBestTile(job.out_w, RollingTileWidths<T>(), kMapTileCost,
                           [&](auto width) HWY_ATTR {
                             RunTiles<RollingTile<S, decltype(width)::value>>(job, 0, begin, end);
                           });
    }
  }
  VisitBestTile(job.out_w, MapTileWidths(), kMapTileCost, [&](auto width) HWY_ATTR {
    RunTiles<GatherTile<K, S, decltype(width)::value>>(job, 0, begin, end);
  });
}

template <class T>
void GatherTarget(const depthwise::MapJob<T>& job, std::int64_t begin, std::int64_t end) {
  const bool one = job.stride == 1;
  const auto gather = job.kernel == 3   ? (one ? GatherWith<T, 3, 1> : GatherWith<T, 3, 2>)
                      : job.kernel == 5 ? (one ? GatherWith<T, 5, 1> : GatherWith<T, 5, 2>)
                                        : (one ? GatherWith<T, 7, 1> : GatherWith<T, 7, 2>);
  gather(job, begin, end);
}

void GatherF32(const depthwise::MapJob<float>& job, std::int64_t begin, std::int64_t end) {
  GatherTarget(job, begin, end);
}
void GatherBf16(const depthwise::MapJob<BFloat16>& job, std::int64_t begin, std::int64_t end) {
  GatherTarget(job, begin, end);
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
HWY_EXPORT(GatherF32);
HWY_EXPORT(GatherBf16);

void depthwise::Gather(const MapJob<float>& job, std::int64_t begin, std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(GatherF32)(job, begin, end);
}
void depthwise::Gather(const MapJob<BFloat16>& job, std::int64_t begin, std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(GatherBf16)(job, begin, end);
}

}  // namespace nasengine
#endif
