// Depthwise backward-weights: the sums of a few kernel rows and a tile of output gradients stay in
// registers while every input vector is loaded once per kernel row. A tile goes down a few rows
// before its sums are added, with compensation, to those kept in memory.
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

// Rows [y_begin, y_end) of a tile of one image, at one channel vector.
template <class T>
struct WeightsBlock {
  const T* x;   // image n, channel c
  const T* dy;  // image n, channel c
  std::int64_t y_begin;
  std::int64_t y_end;
  std::int64_t column;    // the tile's first, of dy
  std::int64_t ahead_x;   // elements from this tile to the one that comes next, in x
  std::int64_t ahead_dy;  // and in dy
  bool prefetch;
  float* kept;  // (K * K, 2, lanes): the sum, and by how much it is too large
};

template <int K, int S, int kColumns>
struct WeightsTile {
  static constexpr int kSpan = (kColumns - 1) * S + K;  // input columns under a tile
  // Kernel rows at once: as many as fit the registers beside the gradients, an input and some room,
  // so that gradients are loaded seldom and enough sums hide the latency of an addition.
  static constexpr int kRows = std::clamp((kVectorRegisters - kColumns - 3) / K, 1, K == 3 ? 3 : 2);

  template <class L, class T>
  static HWY_INLINE void Run(const depthwise::WeightsJob<T>& job, const L& lanes,
                             const WeightsBlock<T>& block) {
    using V = typename L::V;
    const std::int64_t in_x = block.column * S - job.pad;
    const bool columns_inside =
        in_x >= 0 && in_x + kSpan <= job.w && block.column + kColumns <= job.out_w;
    for (int kh = 0; kh < K; kh += kRows) {
      V sums[kRows * K];
#pragma GCC unroll 16
      for (V& sum : sums) sum = lanes.Zero();
      for (std::int64_t y = block.y_begin; y < block.y_end; ++y) {
        const std::int64_t in_y = y * S - job.pad + kh;
        const T* x = block.x + (in_y * job.w + in_x) * job.c;
        const T* dy = block.dy + (y * job.out_w + block.column) * job.c;
        if (block.prefetch) Prefetch(job, block, kh, x, dy);
        const bool rows_inside = kh + kRows <= K && in_y >= 0 && in_y + kRows <= job.h;
        if (rows_inside) {
          WithBorder(lanes, columns_inside, [&](auto border) HWY_ATTR {
            AddRows<decltype(border)::value, 0, kRows>(job, lanes, block, x, in_x, dy, sums);
          });
        } else {
          AddRowByRow(job, lanes, block, x, in_x, dy, kh, in_y, sums);
        }
      }
      Keep(lanes, sums, std::min(K, kh + kRows) - kh, block.kept + kh * K * 2 * LanesOf(lanes));
    }
  }

  // Asks for what the next tile reads and no tile above has read.
  template <class T>
  static HWY_INLINE void Prefetch(const depthwise::WeightsJob<T>& job, const WeightsBlock<T>& block,
                                  int kh, const T* x, const T* dy) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      if (kh + r < K - S || kh + r >= K) continue;
      PrefetchColumns(x + r * job.w * job.c + block.ahead_x,
                      std::min<std::int64_t>(kColumns * S, job.w), job.c);
    }
    if (kh + kRows < K) return;
    PrefetchColumns(dy + block.ahead_dy, std::min<std::int64_t>(kColumns, job.out_w), job.c);
  }

  // The kernel rows that lie inside kernel and image, one after the other.
  template <int kRow = 0, class L, class T, class V = typename L::V>
  static HWY_INLINE void AddRowByRow(const depthwise::WeightsJob<T>& job, const L& lanes,
                                     const WeightsBlock<T>& block, const T* x, std::int64_t in_x,
                                     const T* dy, int kh, std::int64_t in_y, V (&sums)[kRows * K]) {
    if constexpr (kRow < kRows) {
      if (kh + kRow < K && !Outside(in_y + kRow, job.h)) {
        AddRows<true, kRow, 1>(job, lanes, block, x, in_x, dy, sums);
      }
      AddRowByRow<kRow + 1>(job, lanes, block, x, in_x, dy, kh, in_y, sums);
    }
  }

  // sums += x * dy for kernel rows [kFirst, kFirst + kCount) of those that `sums` has.
  template <bool kBorder, int kFirst, int kCount, class L, class T, class V = typename L::V>
  static HWY_INLINE void AddRows(const depthwise::WeightsJob<T>& job, const L& lanes,
                                 const WeightsBlock<T>& block, const T* x, std::int64_t in_x,
                                 const T* dy, V (&sums)[kRows * K]) {
    const std::int64_t row = job.w * job.c;
    V gradients[kColumns];
#pragma GCC unroll 16
    for (int t = 0; t < kColumns; ++t, dy = Advance(dy, job.c)) {
      gradients[t] = kBorder && t >= job.out_w - block.column ? lanes.Zero() : lanes.Load(dy);
    }
#pragma GCC unroll 40
    for (int j = 0; j < kSpan; ++j, x = Advance(x, job.c)) {
      if (kBorder && j >= job.w - in_x) break;
      if (kBorder && j < K - 1 && j < -in_x) continue;
#pragma GCC unroll 4
      for (int r = kFirst; r < kFirst + kCount; ++r) {
        const V value = lanes.Load(x + r * row);
#pragma GCC unroll 8
        for (int kw = 0; kw < K; ++kw) {
          if (j < kw || (j - kw) % S != 0 || (j - kw) / S >= kColumns) continue;
          sums[r * K + kw] = hn::MulAdd(value, gradients[(j - kw) / S], sums[r * K + kw]);
        }
      }
    }
  }

  // Adds the sums of `rows` kernel rows to the kept ones with compensation [Kahan 1965].
  template <class L, class V = typename L::V>
  static HWY_INLINE void Keep(const L& lanes, const V (&sums)[kRows * K], int rows, float* kept) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows * K; ++i, kept += 2 * LanesOf(lanes)) {
      if (i >= rows * K) break;
      float* excess = kept + LanesOf(lanes);
      const V before = lanes.Load(kept);
      const V addend = hn::Sub(sums[i], lanes.Load(excess));
      const V after = hn::Add(before, addend);
      lanes.Store(after, kept);
      lanes.Store(hn::Sub(hn::Sub(after, before), addend), excess);
    }
  }
};

template <int K, int S, int kColumns, class T>
void SumItems(const depthwise::WeightsJob<T>& job, std::int64_t item_begin, std::int64_t item_end,
              std::int64_t c_begin, std::int64_t c_end, float* partial) {
  for (std::int64_t item = item_begin; item < item_end; ++item) {
    const std::int64_t n = item / job.blocks();
    const std::int64_t y_begin = item % job.blocks() * job.rows();
    const std::int64_t y_end = std::min(job.out_h, y_begin + job.rows());
    const T* x = job.x + n * job.h * job.w * job.c;
    const T* dy = job.dy + n * job.out_h * job.out_w * job.c;
    for (std::int64_t column = 0; column < job.out_w; column += kColumns) {
      // To the right, or down to the next block's first tile.
      const bool last = column + kColumns >= job.out_w;
      const std::int64_t ahead_x =
          job.c * S * (last ? job.rows() * job.w - column : std::int64_t{kColumns});
      const std::int64_t ahead_dy =
          job.c * (last ? job.rows() * job.out_w - column : std::int64_t{kColumns});
      VisitChannels(c_begin, c_end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
        for (std::int64_t y = y_begin; y < y_end; y += job.sum_rows()) {
          WeightsTile<K, S, kColumns>::Run(
              job, lanes,
              WeightsBlock<T>{x + c, dy + c, y, std::min(y_end, y + job.sum_rows()), column,
                              ahead_x, ahead_dy, job.prefetch && BeginsLine<T>(c),
                              partial + 2 * c * K * K});
        }
      });
    }
  }
}

template <class T, int K, int S>
void SumWith(const depthwise::WeightsJob<T>& job, std::int64_t item_begin, std::int64_t item_end,
             std::int64_t c_begin, std::int64_t c_end, float* partial) {
  VisitBestTile(job.out_w, MapTileWidths(), kMapTileCost, [&](auto width) HWY_ATTR {
    SumItems<K, S, decltype(width)::value>(job, item_begin, item_end, c_begin, c_end, partial);
  });
}

template <class T>
void PartialWeightsTarget(const depthwise::WeightsJob<T>& job, std::int64_t item_begin,
                          std::int64_t item_end, std::int64_t group_begin, std::int64_t group_end,
                          float* partial) {
  const std::int64_t c_begin = group_begin * depthwise::kChannelGroup;
  const std::int64_t c_end = group_end * depthwise::kChannelGroup;
  const std::int64_t per_channel = 2 * job.kernel * job.kernel;
  std::fill(partial + c_begin * per_channel, partial + c_end * per_channel, 0.0f);
  const bool one = job.stride == 1;
  const auto sum = job.kernel == 3   ? (one ? SumWith<T, 3, 1> : SumWith<T, 3, 2>)
                   : job.kernel == 5 ? (one ? SumWith<T, 5, 1> : SumWith<T, 5, 2>)
                                     : (one ? SumWith<T, 7, 1> : SumWith<T, 7, 2>);
  sum(job, item_begin, item_end, c_begin, std::min(job.c, c_end), partial);
}

void PartialWeightsF32(const depthwise::WeightsJob<float>& job, std::int64_t item_begin,
                       std::int64_t item_end, std::int64_t group_begin, std::int64_t group_end,
                       float* partial) {
  PartialWeightsTarget(job, item_begin, item_end, group_begin, group_end, partial);
}
void PartialWeightsBf16(const depthwise::WeightsJob<BFloat16>& job, std::int64_t item_begin,
                        std::int64_t item_end, std::int64_t group_begin, std::int64_t group_end,
                        float* partial) {
  PartialWeightsTarget(job, item_begin, item_end, group_begin, group_end, partial);
}

void CombineWeightsTarget(const depthwise::PartialSums& sums, std::int64_t group_begin,
                          std::int64_t group_end, bool accumulate, float* dw) {
  const std::int64_t c_begin = group_begin * depthwise::kChannelGroup;
  const std::int64_t c_end = std::min(sums.c, group_end * depthwise::kChannelGroup);
  VisitChannels(c_begin, c_end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
    for (std::int64_t tap = 0; tap < sums.taps; ++tap) {
      const float* from = sums.data + 2 * (c * sums.taps + tap * LanesOf(lanes));
      auto sum = lanes.Load(from);
      for (std::int64_t part = 1; part < sums.parts; ++part) {
        sum = hn::Add(sum, lanes.Load(from + part * sums.part_size()));
      }
      float* to = dw + tap * sums.c + c;
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
HWY_EXPORT(PartialWeightsF32);
HWY_EXPORT(PartialWeightsBf16);
HWY_EXPORT(CombineWeightsTarget);

void depthwise::PartialWeights(const WeightsJob<float>& job, std::int64_t item_begin,
                               std::int64_t item_end, std::int64_t group_begin,
                               std::int64_t group_end, float* partial) {
  HWY_DYNAMIC_DISPATCH(PartialWeightsF32)
  (job, item_begin, item_end, group_begin, group_end, partial);
}
void depthwise::PartialWeights(const WeightsJob<BFloat16>& job, std::int64_t item_begin,
                               std::int64_t item_end, std::int64_t group_begin,
                               std::int64_t group_end, float* partial) {
  HWY_DYNAMIC_DISPATCH(PartialWeightsBf16)
  (job, item_begin, item_end, group_begin, group_end, partial);
}

void depthwise::CombineWeights(const PartialSums& sums, std::int64_t group_begin,
                               std::int64_t group_end, bool accumulate, float* dw) {
  HWY_DYNAMIC_DISPATCH(CombineWeightsTarget)(sums, group_begin, group_end, accumulate, dw);
}

}  // namespace nasengine
#endif
