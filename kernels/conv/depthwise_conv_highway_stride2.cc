// Depthwise backward-data for stride 2: each gradient pixel gathers from the output pixels that
// read it. A tile starts at an even distance from the padded edge, so which taps meet which columns
// is known when compiling.
// SPDX-License-Identifier: MIT
#include "kernels/core/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/depthwise_conv_highway_stride2.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv/depthwise_map-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

// Column t of the tile reads column base + d of `in` through tap kw = t - 2 * d.
template <int K, int kWidth>
struct Stride2Tile {
  static constexpr int kColumns = kWidth;
  static constexpr int kFirst = -(K - 1) / 2;  // smallest d
  static constexpr int kSpan = kColumns / 2 - kFirst;
  static_assert(K % 2 == 1 && kColumns % 2 == 0);
  static_assert(kColumns + K + 2 <= kVectorRegisters, "sums, taps and a value would spill");

  static constexpr std::int64_t InColumns(std::int64_t out_columns) { return out_columns / 2; }
  static constexpr std::int64_t InRows(std::int64_t out_rows) { return out_rows / 2; }

  template <class L, class T>
  static HWY_INLINE void Run(const depthwise::MapJob<T>& job, const L& lanes, TileRow<T> row,
                             std::int64_t y_end) {
    const std::int64_t in_x = (row.x + job.pad) / 2 + kFirst;
    const bool inside =
        in_x >= 0 && in_x + kSpan <= job.in_w && row.x >= 0 && row.x + kColumns <= job.out_w;
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
#pragma GCC unroll 16
    for (V& sum : sums) sum = lanes.Zero();

    const std::int64_t padded_y = row.y + job.pad;
    for (std::int64_t kh = padded_y % 2; kh < K && kh <= padded_y; kh += 2) {
      const std::int64_t in_y = (padded_y - kh) / 2;
      if (in_y >= job.in_h) continue;
      V taps[K];
#pragma GCC unroll 8
      for (int kw = 0; kw < K; ++kw) taps[kw] = lanes.Load(row.w + (kh * K + kw) * job.tap_step);
      const T* in = row.in + (in_y * job.in_w + in_x) * job.c;
      // The row that no tile above has read.
      if (row.ahead != 0 && kh == 0) {
        PrefetchColumns(in + row.ahead, std::min<std::int64_t>(kColumns / 2, job.in_w), job.c);
      }
#pragma GCC unroll 16
      for (int j = 0; j < kSpan; ++j, in = Advance(in, job.c)) {
        if (kBorder && j >= job.in_w - in_x) break;
        if (kBorder && j < -kFirst && j < -in_x) continue;
        const V value = lanes.Load(in);
#pragma GCC unroll 8
        for (int kw = 0; kw < K; ++kw) {
          const int t = kw + 2 * (kFirst + j);
          if (t >= 0 && t < kColumns) sums[t] = hn::MulAdd(value, taps[kw], sums[t]);
        }
      }
    }
    StoreTile<kBorder>(job, lanes, row, sums);
  }
};

// The same for 3x3 where all lies in the caches: a gradient has only one to four terms, so rows are
// walked from end to end with nothing but taps and the column before in registers.
struct Stride2Rows {
  static constexpr int kKernel = 3;
  static constexpr std::int64_t kColumns = std::int64_t{1} << 40;  // the whole row

  static constexpr std::int64_t InColumns(std::int64_t out_columns) { return out_columns / 2; }
  static constexpr std::int64_t InRows(std::int64_t out_rows) { return out_rows / 2; }

  template <class L, class T>
  static HWY_INLINE void Run(const depthwise::MapJob<T>& job, const L& lanes, TileRow<T> row,
                             std::int64_t y_end) {
    typename L::V taps[kKernel][kKernel];
#pragma GCC unroll 16
    for (int i = 0; i < kKernel * kKernel; ++i)
      taps[i / kKernel][i % kKernel] = lanes.Load(row.w + i * job.tap_step);
    for (; row.y < y_end; row.Next(job)) {
      const std::int64_t padded_y = row.y + job.pad;
      const std::int64_t in_y = padded_y / 2;
      const T* in = row.in + in_y * job.in_w * job.c;
      const T* above = in - job.in_w * job.c;
      if (padded_y % 2 == 1) {
        Walk<false>(job, lanes, row, !Outside(in_y, job.in_h), in, taps[1], in, taps[1]);
      } else if (Outside(in_y - 1, job.in_h)) {
        Walk<false>(job, lanes, row, !Outside(in_y, job.in_h), in, taps[0], in, taps[0]);
      } else if (Outside(in_y, job.in_h)) {
        Walk<false>(job, lanes, row, true, above, taps[2], above, taps[2]);
      } else {
        Walk<true>(job, lanes, row, true, in, taps[0], above, taps[2]);
      }
    }
  }

  // One row of the result, from one row of `in` or two with a row of taps each; zero unless
  // `inside`.
  template <bool kTwo, class L, class T, class V>
  static HWY_INLINE void Walk(const depthwise::MapJob<T>& job, const L& lanes,
                              const TileRow<T>& row, bool inside, const T* in,
                              const V (&taps)[kKernel], const T* in_2, const V (&taps_2)[kKernel]) {
    const std::int64_t columns = inside ? job.in_w : 0;
    const auto load = [&](const T* from, std::int64_t column) HWY_ATTR {
      return Outside(column, columns) ? lanes.Zero() : lanes.Load(from + column * job.c);
    };
    const auto put = [&](V value, T* to) HWY_ATTR {
      job.stream ? lanes.Stream(value, to) : lanes.Store(value, to);
    };
    std::int64_t column = job.pad / 2;
    std::int64_t x = 2 * column - job.pad;
    T* out = row.out + x * job.c;
    V before = load(in, column - 1), before_2 = load(in_2, column - 1);
    for (; x < job.out_w; x += 2, ++column) {
      const V here = load(in, column);
      V even = hn::MulAdd(before, taps[2], hn::Mul(here, taps[0]));
      V odd = hn::Mul(here, taps[1]);
      before = here;
      if constexpr (kTwo) {
        const V here_2 = load(in_2, column);
        even = hn::MulAdd(before_2, taps_2[2], hn::MulAdd(here_2, taps_2[0], even));
        odd = hn::MulAdd(here_2, taps_2[1], odd);
        before_2 = here_2;
      }
      if (x >= 0) put(even, out);
      out = Advance(out, job.c);
      if (x + 1 < job.out_w) put(odd, out);
      out = Advance(out, job.c);
    }
  }
};

#if HWY_TARGET == HWY_AVX3
using EvenTileWidths = std::integer_sequence<int, 14, 8, 4>;
#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_NEON
using EvenTileWidths = std::integer_sequence<int, 6>;
#else
using EvenTileWidths = std::integer_sequence<int, 4>;
#endif

template <class T, int K>
void Stride2With(const depthwise::MapJob<T>& job, std::int64_t begin, std::int64_t end) {
  if (K == 3 && job.rolls()) return RunTiles<Stride2Rows>(job, 0, begin, end);
  const std::int64_t first_x = -(job.pad % 2);
  VisitBestTile(job.out_w - first_x, EvenTileWidths(), kMapTileCost, [&](auto width) HWY_ATTR {
    RunTiles<Stride2Tile<K, decltype(width)::value>>(job, first_x, begin, end);
  });
}

template <class T>
void Stride2Target(const depthwise::MapJob<T>& job, std::int64_t begin, std::int64_t end) {
  const auto gather = job.kernel == 3   ? Stride2With<T, 3>
                      : job.kernel == 5 ? Stride2With<T, 5>
                                        : Stride2With<T, 7>;
  gather(job, begin, end);
}

void Stride2F32(const depthwise::MapJob<float>& job, std::int64_t begin, std::int64_t end) {
  Stride2Target(job, begin, end);
}
void Stride2Bf16(const depthwise::MapJob<BFloat16>& job, std::int64_t begin, std::int64_t end) {
  Stride2Target(job, begin, end);
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
HWY_EXPORT(Stride2F32);
HWY_EXPORT(Stride2Bf16);

void depthwise::GatherStride2Gradient(const MapJob<float>& job, std::int64_t begin,
                                      std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(Stride2F32)(job, begin, end);
}
void depthwise::GatherStride2Gradient(const MapJob<BFloat16>& job, std::int64_t begin,
                                      std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(Stride2Bf16)(job, begin, end);
}

}  // namespace nasengine
#endif
