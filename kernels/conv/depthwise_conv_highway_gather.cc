// Depthwise forward, and stride 1 backward-data as its mirror image: a tile of output columns stays
// in registers while every input vector of a kernel row is loaded once.
// SPDX-License-Identifier: MIT
#include "kernels/core/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/depthwise_conv_highway_gather.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv/depthwise_map-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

template <int K, int S, int T>
struct GatherTile {
  static constexpr int kColumns = T;
  static constexpr int kSpan = (T - 1) * S + K;  // input columns under the tile

  template <class L>
  static HWY_INLINE void Run(const depthwise::MapJob& job, const L& lanes, const TileRow& row) {
    const std::int64_t in_x = row.x * S - job.pad;
    const bool inside = in_x >= 0 && in_x + kSpan <= job.in_w && row.x + T <= job.out_w;
    inside ? Compute<false>(job, lanes, row, in_x) : Compute<true>(job, lanes, row, in_x);
  }

  template <bool kBorder, class L>
  static HWY_INLINE void Compute(const depthwise::MapJob& job, const L& lanes, const TileRow& row,
                                 std::int64_t in_x) {
    using V = typename L::V;
    V sums[T];
    const V start = row.bias == nullptr ? lanes.Zero() : lanes.Load(row.bias);
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) sums[t] = start;

    const std::int64_t in_y = row.y * S - job.pad;
    const std::int64_t kh_begin = std::max<std::int64_t>(0, -in_y);
    const std::int64_t kh_end = std::min<std::int64_t>(K, job.in_h - in_y);
    for (std::int64_t kh = kh_begin; kh < kh_end; ++kh) {
      V taps[K];
#pragma GCC unroll 8
      for (int kw = 0; kw < K; ++kw) taps[kw] = lanes.Load(row.w + (kh * K + kw) * job.tap_step);
      const float* in = row.in + ((in_y + kh) * job.in_w + in_x) * job.c;
#pragma GCC unroll 40
      for (int j = 0; j < kSpan; ++j, in += job.c) {
        if (kBorder && (in_x + j < 0 || in_x + j >= job.in_w)) continue;
        const V value = lanes.Load(in);
#pragma GCC unroll 8
        for (int kw = 0; kw < K; ++kw) {
          if (j >= kw && (j - kw) % S == 0 && (j - kw) / S < T) {
            sums[(j - kw) / S] = hn::MulAdd(value, taps[kw], sums[(j - kw) / S]);
          }
        }
      }
    }

    float* out = row.out + row.x * job.c;
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t, out += job.c) {
      if (kBorder && row.x + t >= job.out_w) break;
      lanes.Store(Activate(lanes, sums[t], job.activation), out);
    }
  }
};

#if HWY_TARGET == HWY_AVX3
inline constexpr int kWideColumns = 14;
inline constexpr int kNarrowColumns = 8;
#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_NEON
inline constexpr int kWideColumns = 7;
inline constexpr int kNarrowColumns = 4;
#else
inline constexpr int kWideColumns = 4;
inline constexpr int kNarrowColumns = 4;
#endif

template <int K, int S>
void GatherWith(const depthwise::MapJob& job, std::int64_t begin, std::int64_t end) {
  static_assert(kWideColumns + K + 2 <= kVectorRegisters, "sums, taps and a value would spill");
  if (PreferTile(job.out_w, kWideColumns, kNarrowColumns)) {
    RunTiles<GatherTile<K, S, kWideColumns>>(job, 0, begin, end);
  } else {
    RunTiles<GatherTile<K, S, kNarrowColumns>>(job, 0, begin, end);
  }
}

void GatherTarget(const depthwise::MapJob& job, std::int64_t begin, std::int64_t end) {
  const bool one = job.stride == 1;
  if (job.kernel == 3)
    return one ? GatherWith<3, 1>(job, begin, end) : GatherWith<3, 2>(job, begin, end);
  if (job.kernel == 5)
    return one ? GatherWith<5, 1>(job, begin, end) : GatherWith<5, 2>(job, begin, end);
  one ? GatherWith<7, 1>(job, begin, end) : GatherWith<7, 2>(job, begin, end);
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
HWY_EXPORT(GatherTarget);

void depthwise::Gather(const MapJob& job, std::int64_t begin, std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(GatherTarget)(job, begin, end);
}

}  // namespace nasengine
#endif
