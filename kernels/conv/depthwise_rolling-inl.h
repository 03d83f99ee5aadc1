// Tiles of a 3x3 depthwise map that roll down: the sums of all output rows that an input row meets
// stay in registers, and all taps with them, so that every input vector is loaded, and of bf16
// widened, once instead of once per kernel row. Compiled once per instruction set.
// SPDX-License-Identifier: MIT
#if defined(NASENGINE_KERNELS_CONV_DEPTHWISE_ROLLING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_KERNELS_CONV_DEPTHWISE_ROLLING_INL_H_
#undef NASENGINE_KERNELS_CONV_DEPTHWISE_ROLLING_INL_H_
#else
#define NASENGINE_KERNELS_CONV_DEPTHWISE_ROLLING_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/conv/depthwise_map-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine {
namespace HWY_NAMESPACE {

// As many columns as fit the registers beside nine taps; rounding to bf16 needs some of them.
template <class T>
using RollingTileWidths =
    std::conditional_t<std::is_same_v<T, BFloat16>, std::integer_sequence<int, 4>,
                       std::integer_sequence<int, 8, 7, 4>>;

template <int S, int kWidth>
struct RollingTile {
  static constexpr int kKernel = 3;
  static constexpr int kColumns = kWidth;
  static constexpr int kSpan = (kColumns - 1) * S + kKernel;  // input columns under the tile
  static_assert(S == 1 || S == 2, "an input row meets at most two output rows at stride 2");

  static constexpr std::int64_t InColumns(std::int64_t out_columns) { return S * out_columns; }
  static constexpr std::int64_t InRows(std::int64_t out_rows) { return S * out_rows; }

  template <class L, class T>
  static HWY_INLINE void Run(const depthwise::MapJob<T>& job, const L& lanes, const TileRow<T>& row,
                             std::int64_t y_end) {
    const std::int64_t in_x = row.x * S - job.pad;
    const bool inside = in_x >= 0 && in_x + kSpan <= job.in_w && row.x + kColumns <= job.out_w;
    WithBorder(lanes, inside, [&](auto border) HWY_ATTR {
      Roll<decltype(border)::value>(job, lanes, row, y_end, in_x);
    });
  }

  template <bool kBorder, class L, class T>
  static HWY_INLINE void Roll(const depthwise::MapJob<T>& job, const L& lanes, TileRow<T> row,
                              std::int64_t y_end, std::int64_t in_x) {
    using V = typename L::V;
    V taps[kKernel * kKernel];
#pragma GCC unroll 16
    for (int i = 0; i < kKernel * kKernel; ++i) taps[i] = lanes.Load(row.w + i * job.tap_step);
    const V start = row.bias == nullptr ? lanes.Zero() : lanes.Load(row.bias);
    const std::int64_t step = job.in_w * job.c;
    std::int64_t in_y = row.y * S - job.pad;
    const T* in = row.in + in_y * step + in_x * job.c;
    // Of the row that is finished next and, at stride 1, of the one after.
    V sums[kColumns], next[kColumns];
    Fill(sums, start);
    if (!Outside(in_y, job.in_h)) {
      AddRow<kBorder, 1, 0, 0>(job, lanes, in, in_x, taps, sums, sums, sums);
    }
    ++in_y;
    in += step;
    if constexpr (S == 1) {
      Fill(next, start);
      if (!Outside(in_y, job.in_h)) {
        AddRow<kBorder, 1, 1, 0>(job, lanes, in, in_x, taps, next, sums, sums);
      }
      ++in_y;
      in += step;
      for (; row.y < y_end; row.Next(job), ++in_y, in += step) {
        V fresh[kColumns];
        Fill(fresh, start);
        if (!Outside(in_y, job.in_h)) {
          AddRow<kBorder, 1, 1, 1>(job, lanes, in, in_x, taps, fresh, next, sums);
        }
        Finish<kBorder>(job, lanes, row, sums);
        Fill(sums, next);
        Fill(next, fresh);
      }
    } else {
      for (; row.y < y_end; row.Next(job), in_y += 2, in += 2 * step) {
        if (!Outside(in_y, job.in_h)) {
          AddRow<kBorder, 0, 1, 0>(job, lanes, in, in_x, taps, sums, sums, sums);
        }
        Fill(next, start);
        if (!Outside(in_y + 1, job.in_h)) {
          AddRow<kBorder, 1, 0, 1>(job, lanes, in + step, in_x, taps, next, sums, sums);
        }
        Finish<kBorder>(job, lanes, row, sums);
        Fill(sums, next);
      }
    }
  }

  // Adds one input row times kernel row i to sums_i, for those that are wanted.
  template <bool kBorder, bool kWant0, bool kWant1, bool kWant2, class L, class T, class V>
  static HWY_INLINE void AddRow(const depthwise::MapJob<T>& job, const L& lanes, const T* in,
                                std::int64_t in_x, const V (&taps)[kKernel * kKernel],
                                V (&sums_0)[kColumns], V (&sums_1)[kColumns],
                                V (&sums_2)[kColumns]) {
#pragma GCC unroll 40
    for (int j = 0; j < kSpan; ++j, in = Advance(in, job.c)) {
      if (kBorder && j >= job.in_w - in_x) break;
      if (kBorder && j < kKernel - 1 && j < -in_x) continue;
      const V value = lanes.Load(in);
#pragma GCC unroll 8
      for (int kw = 0; kw < kKernel; ++kw) {
        if (j < kw || (j - kw) % S != 0 || (j - kw) / S >= kColumns) continue;
        const int t = (j - kw) / S;
        if (kWant0) sums_0[t] = hn::MulAdd(value, taps[kw], sums_0[t]);
        if (kWant1) sums_1[t] = hn::MulAdd(value, taps[kKernel + kw], sums_1[t]);
        if (kWant2) sums_2[t] = hn::MulAdd(value, taps[2 * kKernel + kw], sums_2[t]);
      }
    }
  }

  template <class V>
  static HWY_INLINE void Fill(V (&sums)[kColumns], V value) {
#pragma GCC unroll 16
    for (V& sum : sums) sum = value;
  }
  template <class V>
  static HWY_INLINE void Fill(V (&sums)[kColumns], const V (&values)[kColumns]) {
#pragma GCC unroll 16
    for (int t = 0; t < kColumns; ++t) sums[t] = values[t];
  }

  template <bool kBorder, class L, class T, class V>
  static HWY_INLINE void Finish(const depthwise::MapJob<T>& job, const L& lanes,
                                const TileRow<T>& row, V (&sums)[kColumns]) {
    if (job.activation != Activation::kNone) {
#pragma GCC unroll 16
      for (V& sum : sums) sum = Activate(lanes, sum, job.activation);
    }
    StoreTile<kBorder>(job, lanes, row, sums);
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nasengine
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
