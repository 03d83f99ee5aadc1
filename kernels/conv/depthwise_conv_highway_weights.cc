// Depthwise backward-weights: the sums of a few kernel rows and a tile of output gradients stay in
// registers while every input vector is loaded once per kernel row. Sums rest in a buffer that fits
// the cache between visits to a channel, so that memory is read in long runs.
// SPDX-License-Identifier: MIT
#include "kernels/core/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/depthwise_conv_highway_weights.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv/depthwise_map-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

// Columns that are summed in one f32 register before the sum moves on: short enough that the
// rounding of millions of terms stays that of a few dozen.
inline constexpr std::int64_t kColumnsPerSum = 49;

// A block of output rows of one image, at one channel vector.
struct WeightsBlock {
  const float* x;   // image n, channel c
  const float* dy;  // image n, channel c
  std::int64_t y_begin;
  std::int64_t y_end;
  float* sums;  // (K * K, 2, lanes): the sum, and by how much it is too large
  std::int64_t lanes;
};

// R kernel rows from kFirstRow on, tiles of T output columns.
template <int K, int S, int T, int kFirstRow, int R>
struct WeightsRows {
  static constexpr int kSpan = (T - 1) * S + K;  // input columns under a tile

  template <bool kBorder, class L, class V = typename L::V>
  static HWY_INLINE void Tile(const depthwise::WeightsJob& job, const L& lanes,
                              const WeightsBlock& block, std::int64_t y, std::int64_t x,
                              V (&sums)[R * K]) {
    V dy[T];
    const float* from = block.dy + (y * job.out_w + x) * job.c;
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t, from += job.c) {
      dy[t] = kBorder && x + t >= job.out_w ? lanes.Zero() : lanes.Load(from);
    }
    const std::int64_t in_x = x * S - job.pad;
    const std::int64_t in_y = y * S - job.pad + kFirstRow;
    const float* in = block.x + (in_y * job.w + in_x) * job.c;
    // Kernel rows innermost: R * K sums in turn hide the latency of the additions.
#pragma GCC unroll 40
    for (int j = 0; j < kSpan; ++j, in += job.c) {
      if (kBorder && (in_x + j < 0 || in_x + j >= job.w)) continue;
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        if (kBorder && (in_y + r < 0 || in_y + r >= job.h)) continue;
        const V value = lanes.Load(in + r * job.w * job.c);
#pragma GCC unroll 8
        for (int kw = 0; kw < K; ++kw) {
          if (j >= kw && (j - kw) % S == 0 && (j - kw) / S < T) {
            sums[r * K + kw] = hn::MulAdd(value, dy[(j - kw) / S], sums[r * K + kw]);
          }
        }
      }
    }
  }

  template <class L>
  static HWY_INLINE void Run(const depthwise::WeightsJob& job, const L& lanes,
                             const WeightsBlock& block) {
    typename L::V sums[R * K];
#pragma GCC unroll 24
    for (int i = 0; i < R * K; ++i) sums[i] = lanes.Zero();
    std::int64_t columns = 0;
    for (std::int64_t y = block.y_begin; y < block.y_end; ++y) {
      const std::int64_t in_y = y * S - job.pad + kFirstRow;
      if (in_y + R <= 0 || in_y >= job.h) continue;
      const bool rows_inside = in_y >= 0 && in_y + R <= job.h;
      for (std::int64_t x = 0; x < job.out_w; x += T) {
        const std::int64_t in_x = x * S - job.pad;
        if (rows_inside && in_x >= 0 && in_x + kSpan <= job.w && x + T <= job.out_w) {
          Tile<false>(job, lanes, block, y, x, sums);
        } else {
          Tile<true>(job, lanes, block, y, x, sums);
        }
        columns += T;
        if (columns >= kColumnsPerSum) {
          Flush(lanes, block, sums);
          columns = 0;
        }
      }
    }
    if (columns > 0) Flush(lanes, block, sums);
  }

  // Adds the sums to the kept ones with compensation [Kahan 1965], and starts them again from zero.
  template <class L, class V = typename L::V>
  static HWY_INLINE void Flush(const L& lanes, const WeightsBlock& block, V (&sums)[R * K]) {
#pragma GCC unroll 24
    for (int i = 0; i < R * K; ++i) {
      float* kept = block.sums + (kFirstRow * K + i) * 2 * block.lanes;
      float* excess = kept + block.lanes;
      const V before = lanes.Load(kept);
      const V addend = hn::Sub(sums[i], lanes.Load(excess));
      const V after = hn::Add(before, addend);
      lanes.Store(after, kept);
      lanes.Store(hn::Sub(hn::Sub(after, before), addend), excess);
      sums[i] = lanes.Zero();
    }
  }
};

// Kernel rows whose sums fit the registers beside T gradients, an input and some room.
template <int K, int T>
constexpr int RowsAtOnce() {
  return std::clamp((kVectorRegisters - T - 3) / K, 1, K == 3 ? 3 : (K == 5 ? 3 : 2));
}

template <int K, int S, int T, int kFirstRow = 0, class L>
HWY_INLINE void AllKernelRows(const depthwise::WeightsJob& job, const L& lanes,
                              const WeightsBlock& block) {
  if constexpr (kFirstRow < K) {
    constexpr int kRows = std::min(RowsAtOnce<K, T>(), K - kFirstRow);
    WeightsRows<K, S, T, kFirstRow, kRows>::Run(job, lanes, block);
    AllKernelRows<K, S, T, kFirstRow + kRows>(job, lanes, block);
  }
}

template <int K, int S, int T>
void SumItems(const depthwise::WeightsJob& job, std::int64_t item_begin, std::int64_t item_end,
              std::int64_t c_begin, std::int64_t c_end, float* partial) {
  for (std::int64_t item = item_begin; item < item_end; ++item) {
    const std::int64_t n = item / job.blocks();
    const std::int64_t y_begin = item % job.blocks() * job.rows();
    const std::int64_t y_end = std::min(job.out_h, y_begin + job.rows());
    const float* x = job.x + n * job.h * job.w * job.c;
    const float* dy = job.dy + n * job.out_h * job.out_w * job.c;
    VisitChannels(c_begin, c_end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
      AllKernelRows<K, S, T>(
          job, lanes,
          WeightsBlock{x + c, dy + c, y_begin, y_end, partial + 2 * c * K * K, LanesOf(lanes)});
    });
  }
}

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
void SumWith(const depthwise::WeightsJob& job, std::int64_t item_begin, std::int64_t item_end,
             std::int64_t c_begin, std::int64_t c_end, float* partial) {
  // Wide tiles only where one kernel row of sums fits beside them.
  constexpr int kWide = K + kWideColumns + 3 <= kVectorRegisters ? kWideColumns : kNarrowColumns;
  if (PreferTile(job.out_w, kWide, kNarrowColumns)) {
    SumItems<K, S, kWide>(job, item_begin, item_end, c_begin, c_end, partial);
  } else {
    SumItems<K, S, kNarrowColumns>(job, item_begin, item_end, c_begin, c_end, partial);
  }
}

void PartialWeightsTarget(const depthwise::WeightsJob& job, std::int64_t item_begin,
                          std::int64_t item_end, std::int64_t group_begin, std::int64_t group_end,
                          float* partial) {
  const std::int64_t c_begin = group_begin * depthwise::kChannelGroup;
  const std::int64_t c_end = group_end * depthwise::kChannelGroup;
  const std::int64_t per_channel = 2 * job.kernel * job.kernel;
  std::fill(partial + c_begin * per_channel, partial + c_end * per_channel, 0.0f);
  const auto sum = job.stride == 1 ? (job.kernel == 3   ? SumWith<3, 1>
                                      : job.kernel == 5 ? SumWith<5, 1>
                                                        : SumWith<7, 1>)
                                   : (job.kernel == 3   ? SumWith<3, 2>
                                      : job.kernel == 5 ? SumWith<5, 2>
                                                        : SumWith<7, 2>);
  sum(job, item_begin, item_end, c_begin, std::min(job.c, c_end), partial);
}

void CombineWeightsTarget(const depthwise::WeightsJob& job, const float* partials,
                          std::int64_t parts, std::int64_t group_begin, std::int64_t group_end,
                          bool accumulate, float* dw) {
  const std::int64_t taps = job.kernel * job.kernel;
  const std::int64_t c_begin = group_begin * depthwise::kChannelGroup;
  const std::int64_t c_end = std::min(job.c, group_end * depthwise::kChannelGroup);
  VisitChannels(c_begin, c_end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const float* from = partials + 2 * (c * taps + tap * LanesOf(lanes));
      auto sum = lanes.Load(from);
      for (std::int64_t part = 1; part < parts; ++part) {
        sum = hn::Add(sum, lanes.Load(from + part * job.partial_size()));
      }
      float* to = dw + tap * job.c + c;
      lanes.Store(accumulate ? hn::Add(lanes.Load(to), sum) : sum, to);
    }
  });
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
HWY_EXPORT(PartialWeightsTarget);
HWY_EXPORT(CombineWeightsTarget);

void depthwise::PartialWeights(const WeightsJob& job, std::int64_t item_begin,
                               std::int64_t item_end, std::int64_t group_begin,
                               std::int64_t group_end, float* partial) {
  HWY_DYNAMIC_DISPATCH(PartialWeightsTarget)
  (job, item_begin, item_end, group_begin, group_end, partial);
}

void depthwise::CombineWeights(const WeightsJob& job, const float* partials, std::int64_t parts,
                               std::int64_t group_begin, std::int64_t group_end, bool accumulate,
                               float* dw) {
  HWY_DYNAMIC_DISPATCH(CombineWeightsTarget)
  (job, partials, parts, group_begin, group_end, accumulate, dw);
}

}  // namespace nasengine
#endif
