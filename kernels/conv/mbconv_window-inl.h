// Rolling windows over the rows of a depthwise convolution, and the tiles of columns that kernels
// read from them. Compiled once per instruction set.
//
// A window is filled once a row, with the batch norm and activation applied, channel group by
// channel group and bordered by zeros: a group's window lies in the first-level cache, its columns
// are neighbours, and no inner loop asks where the image ends.
// SPDX-License-Identifier: MIT
#if defined(NASENGINE_KERNELS_CONV_MBCONV_WINDOW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_KERNELS_CONV_MBCONV_WINDOW_INL_H_
#undef NASENGINE_KERNELS_CONV_MBCONV_WINDOW_INL_H_
#else
#define NASENGINE_KERNELS_CONV_MBCONV_WINDOW_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/conv/mbconv_highway.h"
#include "kernels/conv/tile_width-inl.h"
#include "kernels/core/lanes-inl.h"
#include "kernels/core/read_ahead.h"
#include "kernels/norm/affine-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine {
namespace HWY_NAMESPACE {

using mbconv::DepthwiseSizes;
using mbconv::kGroup;

// Rows of an image as they roll by: row r is kept until row r + rows comes.
class RollingWindow {
 public:
  // `left` columns of zeros come before column 0.
  RollingWindow(float* data, std::int64_t rows, std::int64_t columns, std::int64_t c,
                std::int64_t left)
      : data_(data),
        rows_(rows),
        columns_(columns),
        row_floats_(columns * mbconv::Padded(c)),
        left_(left) {}

  // Zeros everywhere.
  void Clear() const { std::fill(data_, data_ + rows_ * row_floats_, 0.0f); }
  // Zeros in what surrounds rows of `width` columns.
  void ClearBorder(std::int64_t width) const {
    float* const end = data_ + rows_ * row_floats_;
    for (float* row = data_; row < end; row += columns_ * kGroup) {
      std::fill(row, row + left_ * kGroup, 0.0f);
      std::fill(row + (left_ + width) * kGroup, row + columns_ * kGroup, 0.0f);
    }
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
  // The row that FillTo comes to next.
  std::int64_t filled() const { return filled_; }

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
using WindowTileWidths = std::integer_sequence<int, 14, 8, 7, 4>;
#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_NEON
using WindowTileWidths = std::integer_sequence<int, 7, 4>;
#else
using WindowTileWidths = std::integer_sequence<int, 4>;
#endif

// Cache lines that every row of a kernel of K rows asks for, so that a tile of T columns asks for
// as many lines of `tensors` tensors as it has columns.
template <int K, int T>
constexpr int LinesPerKernelRow(int tensors) {
  return (T * tensors + K - 1) / K;
}

// Rows [first, first + count) of images that follow one another, or as many as there are.
HWY_INLINE void AddImageRows(ReadAhead& ahead, const ConstView& images, std::int64_t first,
                             std::int64_t count, std::int64_t row) {
  ahead.AddRows(images, first, std::min(first + count, images.elements() / row), row);
}

// The rows of a kernel that lie in the image, as pointers to one channel vector at the column under
// the tile's first tap.
template <int K>
struct KernelRows {
  const float* at[K];
  int begin = 0;
  int end = K;
};

// sums[t] += sum over kernel rows and taps of row[t * S + kw] * w[kh, kw]. In passing every kernel
// row asks for kLines of `ahead`.
template <int K, int S, int T, int kLines, class L, class V, class Ahead>
HWY_INLINE void GatherTile(const L& lanes, const KernelRows<K>& rows, std::int64_t offset,
                           const float* w, std::int64_t tap_step, V (&sums)[T], Ahead& ahead) {
  auto lines = ahead.Take(kLines * (rows.end - rows.begin));
  for (int kh = rows.begin; kh < rows.end; ++kh) {
    lines.template Ask<kLines>();
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

// The rows of the kernel for output row y of a map with stride S; c counts the window's channels.
template <int K, int S>
HWY_INLINE KernelRows<K> RowsOfOutput(const DepthwiseSizes& s, const RollingWindow& window,
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

// Input rows and columns of a depthwise convolution's window.
HWY_INLINE RollingWindow InWindow(const DepthwiseSizes& s, float* data) {
  return {data, s.in_rows(), s.in_columns(), s.c, s.pad()};
}

// One row of the normalised input goes into the window.
template <class T>
HWY_INLINE void PutInput(const DepthwiseSizes& s, const T* image, const batch_norm::Affine* norm,
                         std::int64_t row, const RollingWindow& window) {
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

// Calls run(kernel, stride, tile width), all integral constants.
template <class Run>
HWY_INLINE void WithConstants(const DepthwiseSizes& s, const Run& run) {
  // A window has no borders to find, and its rows and taps lie in the first-level cache.
  constexpr int kTileCost = 0;
  VisitBestTile(s.out_w, WindowTileWidths(), kTileCost, [&](auto width) HWY_ATTR {
    const auto with_stride = [&](auto kernel) HWY_ATTR {
      if (s.stride == 1) return run(kernel, std::integral_constant<int, 1>(), width);
      run(kernel, std::integral_constant<int, 2>(), width);
    };
    if (s.kernel == 3) return with_stride(std::integral_constant<int, 3>());
    if (s.kernel == 5) return with_stride(std::integral_constant<int, 5>());
    with_stride(std::integral_constant<int, 7>());
  });
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nasengine
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
