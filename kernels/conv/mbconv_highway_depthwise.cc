// The depthwise convolution of the fused MBConv, compiled for every instruction set. It reads
// rolling windows over a few rows, channel group after channel group, filled once a row with the
// batch norm and activation applied and bordered by zeros: a group's window lies in the first-level
// cache, its columns are neighbours, and no inner loop asks where the image ends.
// SPDX-License-Identifier: MIT
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/conv/mbconv_highway.h"
#include "kernels/core/highway_targets.h"
#include "kernels/core/streaming.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/mbconv_highway_depthwise.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/core/lanes-inl.h"
#include "kernels/norm/affine-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

using mbconv::ChannelSums;
using mbconv::DepthwiseSizes;
using mbconv::kGroup;

// Rows of an image as they roll by: row r is kept until row r + rows comes.
class Window {
 public:
  // `left` columns of zeros come before column 0.
  Window(float* data, std::int64_t rows, std::int64_t columns, std::int64_t c, std::int64_t left)
      : data_(data),
        rows_(rows),
        columns_(columns),
        row_floats_(columns * mbconv::Padded(c)),
        left_(left) {
    std::fill(data, data + rows * row_floats_, 0.0f);
  }

  // Of channel c at (row, column).
  HWY_INLINE float* At(std::int64_t row, std::int64_t column, std::int64_t c) const {
    return data_ + row % rows_ * row_floats_ + (c / kGroup * columns_ + left_ + column) * kGroup +
           c % kGroup;
  }

  // Fills rows [filled, end) by put(row), once each.
  template <class Put>
  HWY_INLINE void FillTo(std::int64_t end, const Put& put) {
    for (; filled_ < end; ++filled_) put(filled_);
  }
  void StartImage(std::int64_t first_row) { filled_ = first_row; }

 private:
  float* data_;
  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t row_floats_;
  std::int64_t left_;
  std::int64_t filled_ = 0;
};

// Output columns that a tile may have, by the registers.
#if HWY_TARGET == HWY_AVX3
using TileWidths = std::integer_sequence<int, 14, 8, 7, 4>;
#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_NEON
using TileWidths = std::integer_sequence<int, 7, 4>;
#else
using TileWidths = std::integer_sequence<int, 4>;
#endif

// Calls run(std::integral_constant<int, width>) with the width that covers a row with the fewest
// columns too many, the first of equals.
template <int... kWidths, class Run>
HWY_INLINE void WithTileWidth(std::integer_sequence<int, kWidths...>, std::int64_t columns,
                              const Run& run) {
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
  int best = 0;
  const auto consider = [&](int width) {
    const std::int64_t covered = (columns + width - 1) / width * width;
    if (covered < fewest) best = width;
    fewest = std::min(fewest, covered);
  };
  (consider(kWidths), ...);
  ((best == kWidths ? run(std::integral_constant<int, kWidths>()) : void()), ...);
}

// The rows of a kernel that lie in the image, as pointers to one channel vector at the column under
// the tile's first tap.
template <int K>
struct KernelRows {
  const float* at[K];
  int begin = 0;
  int end = K;
};

// sums[t] += sum over kernel rows and taps of row[t * S + kw] * w[kh, kw].
template <int K, int S, int T, class L, class V>
HWY_INLINE void GatherTile(const L& lanes, const KernelRows<K>& rows, std::int64_t offset,
                           const float* w, std::int64_t tap_step, V (&sums)[T]) {
  for (int kh = rows.begin; kh < rows.end; ++kh) {
    V taps[K];
#pragma GCC unroll 8
    for (int kw = 0; kw < K; ++kw) taps[kw] = lanes.Load(w + (kh * K + kw) * tap_step);
    const float* in = rows.at[kh] + offset;
#pragma GCC unroll 40
    for (int j = 0; j < (T - 1) * S + K; ++j) {
      const V value = lanes.Load(in + j * kGroup);
#pragma GCC unroll 8
      for (int kw = 0; kw < K; ++kw) {
        if (j >= kw && (j - kw) % S == 0 && (j - kw) / S < T) {
          sums[(j - kw) / S] = hn::MulAdd(value, taps[kw], sums[(j - kw) / S]);
        }
      }
    }
  }
}

// Input rows and columns of a depthwise convolution's window.
HWY_INLINE Window InWindow(const DepthwiseSizes& s, float* data) {
  return {data, s.in_rows(), s.in_columns(), s.c, s.pad()};
}

// One row of the normalised input goes into the window.
template <class T>
HWY_INLINE void PutInput(const DepthwiseSizes& s, const T* image, const batch_norm::Affine* norm,
                         std::int64_t row, const Window& window) {
  const T* from = image + row * s.w * s.c;
  if (norm == nullptr) {
    return ForRowGroups(
        s.w, s.c, [&](const auto& lanes, std::int64_t c, std::int64_t x, auto columns) HWY_ATTR {
          float* to = window.At(row, x, c);
          for (int i = 0; i < columns; ++i) {
            lanes.Store(lanes.Load(from + (x + i) * s.c + c), to + i * kGroup);
          }
        });
  }
  WithActivation(norm->activation, [&](auto activation) HWY_ATTR {
    ForRowGroups(
        s.w, s.c, [&](const auto& lanes, std::int64_t c, std::int64_t x, auto columns) HWY_ATTR {
          const ChannelAffine affine(lanes, *norm, c);
          float* to = window.At(row, x, c);
          for (int i = 0; i < columns; ++i) {
            hwy::Prefetch(from + (x + i) * s.c + c + kAhead);
            const auto value = affine.Value(lanes.Load(from + (x + i) * s.c + c));
            lanes.Store(Activate(lanes, value, decltype(activation)::value), to + i * kGroup);
          }
        });
  });
}

// The rows of the kernel for output row y of a map with stride S.
template <int K, int S, class L>
HWY_INLINE KernelRows<K> RowsOfOutput(const DepthwiseSizes& s, const L&, const Window& window,
                                      std::int64_t y, std::int64_t c) {
  KernelRows<K> rows;
  const std::int64_t first = y * S - s.pad();
  rows.begin = static_cast<int>(std::max<std::int64_t>(0, -first));
  rows.end = static_cast<int>(std::min<std::int64_t>(K, s.h - first));
  for (int kh = rows.begin; kh < rows.end; ++kh) {
    rows.at[kh] = window.At(first + kh, -s.pad(), c);
  }
  return rows;
}

// Output rows [y_begin, y_end) of one image, all in the window.
template <class Stored, int K, int S, int T>
HWY_INLINE void DepthwiseBlock(const mbconv::DepthwiseJob& job, const Window& window,
                               std::int64_t y_begin, std::int64_t y_end, Stored* out,
                               const ChannelSums& sums, bool guess_pivot, bool stream) {
  const DepthwiseSizes& s = job.sizes;
  VisitChannels(0, s.c, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
    using V = typename std::decay_t<decltype(lanes)>::V;
    V pivot = lanes.Load(sums.pivot + c);
    V sum = lanes.Load(sums.block + c);
    V squares = lanes.Load(sums.block + sums.c + c);
    for (std::int64_t y = y_begin; y < y_end; ++y) {
      const KernelRows<K> rows = RowsOfOutput<K, S>(s, lanes, window, y, c);
      Stored* to = out + y * s.out_w * s.c + c;
      for (std::int64_t x = 0; x < s.out_w; x += T) {
        V values[T];
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t) values[t] = lanes.Zero();
        GatherTile<K, S, T>(lanes, rows, x * S * kGroup, job.w + c, s.c, values);
        if (guess_pivot && y == y_begin && x == 0) {
          V mean = values[0];
          const std::int64_t there = std::min<std::int64_t>(T, s.out_w);
          for (int t = 1; t < T; ++t) mean = t < there ? hn::Add(mean, values[t]) : mean;
          pivot = hn::Mul(mean, lanes.Set(1.0f / static_cast<float>(there)));
          lanes.Store(pivot, sums.pivot + c);
        }
        const bool whole = x + T <= s.out_w;
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t, to += s.c) {
          if (!whole && x + t >= s.out_w) break;
          if (stream) {
            lanes.Stream(values[t], to);
          } else {
            hwy::Prefetch(to + kGroup);
            lanes.Store(values[t], to);
          }
          const V distance = hn::Sub(lanes.template Stored<Stored>(values[t]), pivot);
          sum = hn::Add(sum, distance);
          squares = hn::MulAdd(distance, distance, squares);
        }
      }
    }
    lanes.Store(sum, sums.block + c);
    lanes.Store(squares, sums.block + sums.c + c);
  });
  sums.Flush();
}

template <class Stored, int K, int S, int T>
HWY_INLINE void RunDepthwise(const mbconv::DepthwiseJob& job, std::int64_t begin, std::int64_t end,
                             float* scratch, const ChannelSums& sums) {
  const DepthwiseSizes& s = job.sizes;
  const std::int64_t block = s.step() / S;
  const bool stream = Streams(job.out);
  Window window = InWindow(s, scratch);
  for (std::int64_t row = begin; row < end;) {
    const std::int64_t n = row / s.out_h;
    const std::int64_t y_end = std::min(s.out_h, end - n * s.out_h);
    const Stored* image = job.in.As<Stored>() + n * s.h * s.w * s.c;
    Stored* out = job.out.As<Stored>() + n * s.out_h * s.out_w * s.c;
    std::int64_t y = row % s.out_h;
    window.StartImage(std::max<std::int64_t>(0, y * S - s.pad()));
    while (y < y_end) {
      const std::int64_t next = std::min(y_end, y + block);
      window.FillTo(std::min(s.h, (next - 1) * S - s.pad() + K),
                    [&](std::int64_t r) HWY_ATTR { PutInput(s, image, job.norm, r, window); });
      DepthwiseBlock<Stored, K, S, T>(job, window, y, next, out, sums, row == begin, stream);
      row += next - y;
      y = next;
    }
  }
  if (stream) hwy::FlushStream();
}

// Sums of a kernel's rows [kFirst, kFirst + R) over output rows [y_begin, y_end), added to dw.
template <int K, int S, int T, int kFirst, int R, class L>
HWY_INLINE void WeightRows(const DepthwiseSizes& s, const L& lanes, const Window& in,
                           const Window& gradient, std::int64_t y_begin, std::int64_t y_end,
                           std::int64_t c, float* dw) {
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
#pragma GCC unroll 4
      for (int kh = 0; kh < R; ++kh) {
        if (first + kh < 0 || first + kh >= s.h) continue;
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
HWY_INLINE void AllWeightRows(const DepthwiseSizes& s, const L& lanes, const Window& in,
                              const Window& gradient, std::int64_t y_begin, std::int64_t y_end,
                              std::int64_t c, float* dw) {
  if constexpr (kFirst < K) {
    constexpr int kRows = std::min(RowsAtOnce<K, T>(), K - kFirst);
    WeightRows<K, S, T, kFirst, kRows>(s, lanes, in, gradient, y_begin, y_end, c, dw);
    AllWeightRows<K, S, T, kFirst + kRows>(s, lanes, in, gradient, y_begin, y_end, c, dw);
  }
}

// sums[t] += the gradient of input column x + t of a stride 2 convolution, x even; column t meets
// column (x + pad) / 2 + d of the gradient through tap kw = t + pad % 2 - 2 * d.
template <int K, int T, class L, class V>
HWY_INLINE void ScatterTile(const L& lanes, const KernelRows<K>& rows, std::int64_t offset,
                            const float* w, std::int64_t tap_step, V (&sums)[T]) {
  constexpr int kPad = K / 2;
  constexpr int kFirst = -(K - 1) / 2;  // smallest d
  constexpr int kSpan = (T + kPad % 2) / 2 - kFirst + 1;
  for (int kh = rows.begin; kh < rows.end; kh += 2) {
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

HWY_INLINE Window GradientWindow(const DepthwiseSizes& s, float* data) {
  return {data, s.gradient_rows(), s.gradient_columns(), s.c, kGradientBorder};
}

// One row of the gradient of the depthwise output goes into the window.
template <class Stored>
HWY_INLINE void PutGradient(const mbconv::DepthwiseGradientJob& job, std::int64_t image,
                            std::int64_t row, const Window& window) {
  const DepthwiseSizes& s = job.sizes;
  const std::int64_t first = (image * s.out_h + row) * s.out_w * s.c;
  const Stored* g2 = job.g2.As<Stored>();
  const Stored* e2 = job.e2.As<Stored>();
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
HWY_INLINE KernelRows<K> RowsOfInput(const DepthwiseSizes& s, const Window& gradient,
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
template <class Stored, int K, int S, int T>
HWY_INLINE void InputGradientBlock(const mbconv::DepthwiseGradientJob& job, const Window& in,
                                   const Window& gradient, std::int64_t image, std::int64_t r_begin,
                                   std::int64_t r_end, const ChannelSums& sums, bool stream) {
  const DepthwiseSizes& s = job.sizes;
  const Stored* in_values = job.in.As<Stored>();
  Stored* g1 = job.g1.As<Stored>();
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
      const float* activated = in.At(r, 0, c);
      for (std::int64_t x = 0; x < s.w; x += T) {
        V values[T];
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t) values[t] = lanes.Zero();
        if constexpr (S == 1) {
          GatherTile<K, 1, T>(lanes, rows, x * kGroup, job.w + last_tap + c, tap_step, values);
        } else {
          ScatterTile<K, T>(lanes, rows, x / 2 * kGroup, job.w + c, tap_step, values);
        }
        const bool whole = x + T <= s.w;
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t, at += s.c, activated += kGroup) {
          if (!whole && x + t >= s.w) break;
          if (!normed) {
            lanes.Store(values[t], g1 + at);
            continue;
          }
          const V g = bounds.Pass(lanes.Load(activated), values[t]);
          const V distance = hn::Sub(lanes.Load(in_values + at), mean);
          hwy::Prefetch(in_values + at + kGroup);
          if (stream) {
            lanes.Stream(g, g1 + at);
          } else {
            hwy::Prefetch(g1 + at + kGroup);
            lanes.Store(g, g1 + at);
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

template <class Stored, int K, int S, int T>
HWY_INLINE void RunDepthwiseGradient(const mbconv::DepthwiseGradientJob& job, std::int64_t begin,
                                     std::int64_t end, float* scratch, const ChannelSums& sums) {
  // Columns of the two sides differ under stride 2; a tile is even there.
  constexpr int kInputTile = S == 2 ? (T + 1) / 2 * 2 : T;
  const DepthwiseSizes& s = job.sizes;
  const std::int64_t step = s.step();
  const bool stream = Streams(job.g1);
  const bool reads_input = job.in_norm != nullptr || job.dw != nullptr;
  Window in = InWindow(s, scratch);
  Window gradient = GradientWindow(s, scratch + s.in_window_floats());
  for (std::int64_t n = begin; n < end; ++n) {
    const Stored* image = reads_input ? job.in.As<Stored>() + n * s.h * s.w * s.c : nullptr;
    in.StartImage(0);
    gradient.StartImage(0);
    for (std::int64_t r = 0; r < s.h; r += step) {
      const std::int64_t next = std::min(s.h, r + step);
      in.FillTo(std::min(s.h, next - 1 - s.pad() + K),
                [&](std::int64_t row) HWY_ATTR { PutInput(s, image, job.in_norm, row, in); });
      gradient.FillTo(std::min(s.out_h, (next - 1 + s.pad()) / S + 1),
                      [&](std::int64_t row)
                          HWY_ATTR { PutGradient<Stored>(job, n, row, gradient); });
      if (!job.g1.empty()) {
        InputGradientBlock<Stored, K, S, kInputTile>(job, in, gradient, n, r, next, sums, stream);
      }
      if (job.dw == nullptr) continue;
      const std::int64_t y_begin = (r + S - 1) / S;
      const std::int64_t y_end = std::min(s.out_h, (next + S - 1) / S);
      VisitChannels(0, s.c, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
        AllWeightRows<K, S, T>(s, lanes, in, gradient, y_begin, y_end, c, job.dw);
      });
    }
  }
  if (stream) hwy::FlushStream();
}

// Calls run(kernel, stride, tile width), all integral constants.
template <class Run>
HWY_INLINE void WithConstants(const DepthwiseSizes& s, const Run& run) {
  WithTileWidth(TileWidths(), s.out_w, [&](auto width) HWY_ATTR {
    const auto with_stride = [&](auto kernel) HWY_ATTR {
      if (s.stride == 1) return run(kernel, std::integral_constant<int, 1>(), width);
      run(kernel, std::integral_constant<int, 2>(), width);
    };
    if (s.kernel == 3) return with_stride(std::integral_constant<int, 3>());
    if (s.kernel == 5) return with_stride(std::integral_constant<int, 5>());
    with_stride(std::integral_constant<int, 7>());
  });
}

void DepthwiseRowsTarget(const mbconv::DepthwiseJob& job, std::int64_t begin, std::int64_t end,
                         float* scratch, const ChannelSums& sums) {
  WithStorage(job.out.dtype, [&]<class T>(T) HWY_ATTR {
    WithConstants(job.sizes, [&](auto kernel, auto stride, auto width) HWY_ATTR {
      RunDepthwise<T, kernel, stride, width>(job, begin, end, scratch, sums);
    });
  });
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
HWY_EXPORT(DepthwiseRowsTarget);
HWY_EXPORT(DepthwiseGradientImagesTarget);

void mbconv::DepthwiseRows(const DepthwiseJob& job, std::int64_t begin, std::int64_t end,
                           float* scratch, const ChannelSums& sums) {
  HWY_DYNAMIC_DISPATCH(DepthwiseRowsTarget)(job, begin, end, scratch, sums);
}

void mbconv::DepthwiseGradientImages(const DepthwiseGradientJob& job, std::int64_t begin,
                                     std::int64_t end, float* scratch, const ChannelSums& sums) {
  HWY_DYNAMIC_DISPATCH(DepthwiseGradientImagesTarget)(job, begin, end, scratch, sums);
}

}  // namespace nasengine
#endif
