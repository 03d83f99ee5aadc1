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
template <int K, int T>
struct Stride2Tile {
  static_assert(K % 2 == 1 && T % 2 == 0);
  static constexpr int kColumns = T;
  static constexpr int kFirst = -(K - 1) / 2;  // smallest d
  static constexpr int kSpan = T / 2 - kFirst;

  template <class L>
  static HWY_INLINE void Run(const depthwise::MapJob& job, const L& lanes, const TileRow& row) {
    const std::int64_t in_x = (row.x + job.pad) / 2 + kFirst;
    const bool inside =
        in_x >= 0 && in_x + kSpan <= job.in_w && row.x >= 0 && row.x + T <= job.out_w;
    inside ? Compute<false>(job, lanes, row, in_x) : Compute<true>(job, lanes, row, in_x);
  }

  template <bool kBorder, class L>
  static HWY_INLINE void Compute(const depthwise::MapJob& job, const L& lanes, const TileRow& row,
                                 std::int64_t in_x) {
    using V = typename L::V;
    V sums[T];
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) sums[t] = lanes.Zero();

    const std::int64_t padded_y = row.y + job.pad;
    for (std::int64_t kh = padded_y % 2; kh < K && kh <= padded_y; kh += 2) {
      const std::int64_t in_y = (padded_y - kh) / 2;
      if (in_y >= job.in_h) continue;
      V taps[K];
#pragma GCC unroll 8
      for (int kw = 0; kw < K; ++kw) taps[kw] = lanes.Load(row.w + (kh * K + kw) * job.tap_step);
      const float* in = row.in + (in_y * job.in_w + in_x) * job.c;
#pragma GCC unroll 16
      for (int j = 0; j < kSpan; ++j, in += job.c) {
        if (kBorder && (in_x + j < 0 || in_x + j >= job.in_w)) continue;
        const V value = lanes.Load(in);
#pragma GCC unroll 8
        for (int kw = 0; kw < K; ++kw) {
          const int t = kw + 2 * (kFirst + j);
          if (t >= 0 && t < T) sums[t] = hn::MulAdd(value, taps[kw], sums[t]);
        }
      }
    }

    float* out = row.out + row.x * job.c;
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t, out += job.c) {
      if (kBorder && (row.x + t < 0 || row.x + t >= job.out_w)) continue;
      lanes.Store(sums[t], out);
    }
  }
};

#if HWY_TARGET == HWY_AVX3
inline constexpr int kWideColumns = 14;
inline constexpr int kNarrowColumns = 8;
#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_NEON
inline constexpr int kWideColumns = 6;
inline constexpr int kNarrowColumns = 4;
#else
inline constexpr int kWideColumns = 4;
inline constexpr int kNarrowColumns = 4;
#endif

template <int K>
void Stride2With(const depthwise::MapJob& job, std::int64_t begin, std::int64_t end) {
  static_assert(kWideColumns + K + 2 <= kVectorRegisters, "sums, taps and a value would spill");
  const std::int64_t first_x = -(job.pad % 2);
  if (PreferTile(job.out_w - first_x, kWideColumns, kNarrowColumns)) {
    RunTiles<Stride2Tile<K, kWideColumns>>(job, first_x, begin, end);
  } else {
    RunTiles<Stride2Tile<K, kNarrowColumns>>(job, first_x, begin, end);
  }
}

void Stride2Target(const depthwise::MapJob& job, std::int64_t begin, std::int64_t end) {
  if (job.kernel == 3) return Stride2With<3>(job, begin, end);
  if (job.kernel == 5) return Stride2With<5>(job, begin, end);
  Stride2With<7>(job, begin, end);
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
HWY_EXPORT(Stride2Target);

void depthwise::GatherStride2Gradient(const MapJob& job, std::int64_t begin, std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(Stride2Target)(job, begin, end);
}

}  // namespace nasengine
#endif
