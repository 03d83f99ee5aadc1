// Backward through the depthwise convolution of the fused MBConv, compiled for every instruction
// set: one sweep over an image, with rolling windows over the normalised input and the output's
// gradient, gives both the input's gradient and the weights'.
// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv_highway.h"
#include "kernels/core/highway_targets.h"
#include "kernels/core/streaming.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/mbconv_highway_depthwise_gradient.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv/mbconv_window-inl.h"
#include "kernels/conv/result_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

using mbconv::ChannelSums;

// Sums of a kernel's rows [kFirst, kFirst + R) over output rows [y_begin, y_end), added to dw.
template <int K, int S, int T, int kFirst, int R, class L>
HWY_INLINE void WeightRows(const DepthwiseSizes& s, const L& lanes, const RollingWindow& in,
                           const RollingWindow& gradient, std::int64_t y_begin, std::int64_t y_end,
                           std::int64_t c, float* dw, ReadAhead& ahead) {
  using V = typename L::V;
  V sums[R * K];
#pragma GCC unroll 24
  for (int i = 0; i < R * K; ++i) sums[i] = lanes.Zero();
  for (std::int64_t y = y_begin; y < y_end; ++y) {
    const std::int64_t first = y * S - s.pad() + kFirst;
    const float* g_row = gradient.At(y, 0, c);
    for (std::int64_t x = 0; x < s.out_w; x += T) {
      V g[T];
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) g[t] = lanes.Load(g_row + (x + t) * kGroup);
      constexpr int kLines = LinesPerKernelRow<K, T>(2);
      ReadAhead::Lines lines = ahead.Take(kLines * R);
#pragma GCC unroll 4
      for (int kh = 0; kh < R; ++kh) {
        if (first + kh < 0 || first + kh >= s.h) continue;
        lines.Ask<kLines>();
        const float* row = in.At(first + kh, x * S - s.pad(), c);
#pragma GCC unroll 40
        for (int j = 0; j < (T - 1) * S + K; ++j) {
          const V value = lanes.Load(row + j * kGroup);
#pragma GCC unroll 8
          for (int kw = 0; kw < K; ++kw) {
            if (j >= kw && (j - kw) % S == 0 && (j - kw) / S < T) {
              sums[kh * K + kw] = hn::MulAdd(value, g[(j - kw) / S], sums[kh * K + kw]);
            }
          }
        }
      }
    }
  }
  float* to = dw + kFirst * K * mbconv::Padded(s.c) + c;
#pragma GCC unroll 24
  for (int i = 0; i < R * K; ++i, to += mbconv::Padded(s.c)) {
    lanes.Store(hn::Add(lanes.Load(to), sums[i]), to);
  }
}

// Kernel rows whose sums fit the registers beside T gradients, an input and some room.
template <int K, int T>
constexpr int RowsAtOnce() {
  return std::clamp((kVectorRegisters - T - 3) / K, 1, 3);
}

template <int K, int S, int T, int kFirst = 0, class L>
HWY_INLINE void AllWeightRows(const DepthwiseSizes& s, const L& lanes, const RollingWindow& in,
                              const RollingWindow& gradient, std::int64_t y_begin,
                              std::int64_t y_end, std::int64_t c, float* dw, ReadAhead& ahead) {
  if constexpr (kFirst < K) {
    constexpr int kRows = std::min(RowsAtOnce<K, T>(), K - kFirst);
    WeightRows<K, S, T, kFirst, kRows>(s, lanes, in, gradient, y_begin, y_end, c, dw, ahead);
    AllWeightRows<K, S, T, kFirst + kRows>(s, lanes, in, gradient, y_begin, y_end, c, dw, ahead);
  }
}

// sums[t] += the gradient of input column x + t of a stride 2 convolution, x even; column t meets
// column (x + pad) / 2 + d of the gradient through tap kw = t + pad % 2 - 2 * d.
template <int K, int T, class L, class V>
HWY_INLINE void ScatterTile(const L& lanes, const KernelRows<K>& rows, std::int64_t offset,
                            const float* w, std::int64_t tap_step, V (&sums)[T], ReadAhead& ahead) {
  constexpr int kPad = K / 2;
  constexpr int kFirst = -(K - 1) / 2;  // smallest d
  constexpr int kSpan = (T + kPad % 2) / 2 - kFirst + 1;
  constexpr int kLines = 2 * LinesPerKernelRow<K, T>(1);  // every other row takes part
  ReadAhead::Lines lines = ahead.Take(kLines * (rows.end - rows.begin + 1) / 2);
  for (int kh = rows.begin; kh < rows.end; kh += 2) {
    lines.Ask<kLines>();
    V taps[K];
#pragma GCC unroll 8
    for (int kw = 0; kw < K; ++kw) taps[kw] = lanes.Load(w + (kh * K + kw) * tap_step);
    const float* in = rows.at[kh] + offset;
#pragma GCC unroll 16
    for (int j = 0; j < kSpan; ++j) {
      const V value = lanes.Load(in + (kFirst + j) * kGroup);
#pragma GCC unroll 8
      for (int kw = 0; kw < K; ++kw) {
        const int t = kw + 2 * (kFirst + j) - kPad % 2;
        if (t >= 0 && t < T) sums[t] = hn::MulAdd(value, taps[kw], sums[t]);
      }
    }
  }
}

// Columns of zeros before the first of the gradient's window, and after its last.
constexpr std::int64_t kGradientBorder = 4;

HWY_INLINE RollingWindow GradientWindow(const DepthwiseSizes& s, float* data) {
  return {data, s.gradient_rows(), s.gradient_columns(), s.c, kGradientBorder};
}

// One row of the gradient of the depthwise output goes into the window.
template <class Element>
HWY_INLINE void PutGradient(const mbconv::DepthwiseGradientJob& job, std::int64_t image,
                            std::int64_t row, const RollingWindow& window) {
  const DepthwiseSizes& s = job.sizes;
  const std::int64_t first = (image * s.out_h + row) * s.out_w * s.c;
  const Element* g2 = job.g2.As<Element>();
  const Element* e2 = job.e2.As<Element>();
  ForRowGroups(
      s.out_w, s.c, [&](const auto& lanes, std::int64_t c, std::int64_t x, auto columns) HWY_ATTR {
        const ChannelNormGradient gradient(lanes, job.norm, c);
        float* to = window.At(row, x, c);
        for (int i = 0; i < columns; ++i) {
          const std::int64_t at = first + (x + i) * s.c + c;
          hwy::Prefetch(g2 + at + kAhead);
          hwy::Prefetch(e2 + at + kAhead);
          lanes.Store(gradient.Value(lanes.Load(g2 + at), lanes.Load(e2 + at)), to + i * kGroup);
        }
      });
}

// The rows of the kernel through which input row r takes part, as rows of the gradient at column
// (x + pad) / S for x = 0; for stride 1 turned around, so that columns gather as in forward.
template <int K, int S>
HWY_INLINE KernelRows<K> RowsOfInput(const DepthwiseSizes& s, const RollingWindow& gradient,
                                     std::int64_t r, std::int64_t c) {
  KernelRows<K> rows;
  if constexpr (S == 1) {
    const std::int64_t first = r - (K - 1 - s.pad());
    rows.begin = static_cast<int>(std::max<std::int64_t>(0, -first));
    rows.end = static_cast<int>(std::min<std::int64_t>(K, s.out_h - first));
    for (int kh = rows.begin; kh < rows.end; ++kh) {
      rows.at[kh] = gradient.At(first + kh, -(K - 1 - s.pad()), c);
    }
  } else {
    const std::int64_t padded = r + s.pad();
    rows.begin = static_cast<int>(padded % 2);
    while ((padded - rows.begin) / 2 >= s.out_h) rows.begin += 2;
    rows.end = static_cast<int>(std::min<std::int64_t>(K, padded + 1));
    for (int kh = rows.begin; kh < rows.end; kh += 2) {
      rows.at[kh] = gradient.At((padded - kh) / 2, s.pad() / 2, c);
    }
  }
  return rows;
}

// Input rows [r_begin, r_end) of one image: what the gradient's window gives them.
template <class Element, int K, int S, int T>
HWY_INLINE void InputGradientBlock(const mbconv::DepthwiseGradientJob& job, const RollingWindow& in,
                                   const RollingWindow& gradient, std::int64_t image,
                                   std::int64_t r_begin, std::int64_t r_end, Element* g1_rows,
                                   const ChannelSums& sums, bool stream, ReadAhead& ahead) {
  const DepthwiseSizes& s = job.sizes;
  const Element* in_values = job.in.As<Element>();
  const std::int64_t last_tap = S == 1 ? (K * K - 1) * s.c : 0;
  const std::int64_t tap_step = S == 1 ? -s.c : s.c;
  VisitChannels(0, s.c, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
    using V = typename std::decay_t<decltype(lanes)>::V;
    const bool normed = job.in_norm != nullptr;
    const PassedBounds bounds(lanes, normed ? job.in_norm->activation : Activation::kNone);
    V mean = lanes.Zero(), sum = lanes.Zero(), projection = lanes.Zero();
    if (normed) {
      mean = lanes.Load(job.in_norm->mean + c);
      sum = lanes.Load(sums.block + c);
      projection = lanes.Load(sums.block + sums.c + c);
    }
    for (std::int64_t r = r_begin; r < r_end; ++r) {
      const KernelRows<K> rows = RowsOfInput<K, S>(s, gradient, r, c);
      std::int64_t at = (image * s.h + r) * s.w * s.c + c;
      Element* to = g1_rows + (r - r_begin) * s.w * s.c + c;
      const float* activated = in.At(r, 0, c);
      for (std::int64_t x = 0; x < s.w; x += T) {
        V values[T];
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t) values[t] = lanes.Zero();
        if constexpr (S == 1) {
          GatherTile<K, 1, T, LinesPerKernelRow<K, T>(2)>(
              lanes, rows, x * kGroup, job.w + last_tap + c, tap_step, values, ahead);
        } else {
          ScatterTile<K, T>(lanes, rows, x / 2 * kGroup, job.w + c, tap_step, values, ahead);
        }
        const bool whole = x + T <= s.w;
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t, at += s.c, to += s.c, activated += kGroup) {
          if (!whole && x + t >= s.w) break;
          if (!normed) {
            lanes.Store(values[t], to);
            continue;
          }
          const V g = bounds.Pass(lanes.Load(activated), values[t]);
          const V distance = hn::Sub(lanes.Load(in_values + at), mean);
          hwy::Prefetch(in_values + at + kGroup);
          if (stream) {
            lanes.Stream(g, to);
          } else {
            hwy::Prefetch(to + kGroup);
            lanes.Store(g, to);
          }
          sum = hn::Add(sum, g);
          projection = hn::MulAdd(g, distance, projection);
        }
      }
    }
    if (!normed) return;
    lanes.Store(sum, sums.block + c);
    lanes.Store(projection, sums.block + sums.c + c);
  });
  if (job.in_norm != nullptr) sums.Flush();
}

template <class Element, int K, int S, int T>
HWY_INLINE void RunDepthwiseGradient(const mbconv::DepthwiseGradientJob& job, std::int64_t begin,
                                     std::int64_t end, float* scratch, const ChannelSums& sums) {
  // Columns of the two sides differ under stride 2; a tile is even there.
  constexpr int kInputTile = S == 2 ? (T + 1) / 2 * 2 : T;
  const DepthwiseSizes& s = job.sizes;
  const std::int64_t step = s.step();
  const bool stream = Streams(job.g1);
  const bool reads_input = job.in_norm != nullptr || job.dw != nullptr;
  RollingWindow in = InWindow(s, scratch);
  RollingWindow gradient = GradientWindow(s, scratch + s.in_window_floats());
  const ResultRows<Element> g1(job.g1, s.w * s.c,
                               scratch + s.in_window_floats() + s.gradient_window_floats());
  in.Clear();
  gradient.Clear();
  for (std::int64_t n = begin; n < end; ++n) {
    const Element* image = reads_input ? job.in.As<Element>() + n * s.h * s.w * s.c : nullptr;
    in.StartImage(0);
    gradient.StartImage(0);
    for (std::int64_t r = 0; r < s.h; r += step) {
      const std::int64_t next = std::min(s.h, r + step);
      in.FillTo(std::min(s.h, next - 1 - s.pad() + K),
                [&](std::int64_t row) HWY_ATTR { PutInput(s, image, job.in_norm, row, in); });
      gradient.FillTo(std::min(s.out_h, (next - 1 + s.pad()) / S + 1),
                      [&](std::int64_t row)
                          HWY_ATTR { PutGradient<Element>(job, n, row, gradient); });
      const std::int64_t y_begin = (r + S - 1) / S;
      const std::int64_t y_end = std::min(s.out_h, (next + S - 1) / S);
      ReadAhead ahead;
      if (reads_input) AddImageRows(ahead, job.in, n * s.h + in.filled(), step, s.w * s.c);
      for (const ConstView& view : {ConstView(job.g2), job.e2}) {
        AddImageRows(ahead, view, n * s.out_h + gradient.filled(), step / S, s.out_w * s.c);
      }
      if (!job.g1.empty()) {
        InputGradientBlock<Element, K, S, kInputTile>(job, in, gradient, n, r, next,
                                                      g1.Begin(n * s.h + r), sums, stream, ahead);
        g1.End(n * s.h + r, next - r);
      }
      if (job.dw == nullptr) continue;
      VisitChannels(0, s.c, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
        AllWeightRows<K, S, T>(s, lanes, in, gradient, y_begin, y_end, c, job.dw, ahead);
      });
    }
  }
  if (stream || g1.streams()) hwy::FlushStream();
}

void DepthwiseGradientImagesTarget(const mbconv::DepthwiseGradientJob& job, std::int64_t begin,
                                   std::int64_t end, float* scratch, const ChannelSums& sums) {
  WithStorage(job.g2.dtype, [&]<class T>(T) HWY_ATTR {
    WithConstants(job.sizes, [&](auto kernel, auto stride, auto width) HWY_ATTR {
      RunDepthwiseGradient<T, kernel, stride, width>(job, begin, end, scratch, sums);
    });
  });
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
HWY_EXPORT(DepthwiseGradientImagesTarget);

void mbconv::DepthwiseGradientImages(const DepthwiseGradientJob& job, std::int64_t begin,
                                     std::int64_t end, float* scratch, const ChannelSums& sums) {
  HWY_DYNAMIC_DISPATCH(DepthwiseGradientImagesTarget)(job, begin, end, scratch, sums);
}

}  // namespace nasengine
#endif
