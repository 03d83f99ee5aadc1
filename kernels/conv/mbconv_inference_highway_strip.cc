// A strip of the fused MBConv at inference, compiled for every instruction set: the expanded rows
// live in a rolling window alone, and what the depthwise convolution makes of them is written for
// the projection.
// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv_inference_highway.h"
#include "kernels/core/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/mbconv_inference_highway_strip.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv/mbconv_window-inl.h"
#include "kernels/conv/row_product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

using mbconv::InferenceJob;
using mbconv::Strip;

// Channels [begin, end) of the block, channel `first` of which is the window's channel 0.
struct Channels {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t first;
};

// Puts a tile of expanded pixels into the window, where rows of the image follow one another.
struct StoreToWindow {
  const InferenceJob& job;
  const RollingWindow& window;
  std::int64_t image_row;  // of the tile's first pixel
  std::int64_t image_column;
  std::int64_t panel;  // the window's channel that is the panel's first
  const float* bias;   // of that channel

  template <int kRows, int kVectors>
  HWY_INLINE void Prefetch(std::int64_t, std::int64_t) const {}

  template <class L, class V, int kRows>
  HWY_INLINE void operator()(const L& lanes, std::int64_t /*row*/, std::int64_t column,
                             const V (&values)[kRows]) const {
    const V shift = lanes.Load(bias + column);
    float* at = window.At(image_row, image_column, panel + column);
    std::int64_t left = job.sizes.w - image_column;
    std::int64_t next_row = image_row + 1;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      if (left == 0) {
        at = window.At(next_row++, 0, panel + column);
        left = job.sizes.w;
      }
      lanes.Store(Activate(lanes, hn::Add(values[r], shift), job.activation), at);
      at += kGroup;
      --left;
    }
  }
};

// Input rows [begin, end) of one panel of channels go into the window.
template <int kVectors>
HWY_INLINE void ExpandRows(const InferenceJob& job, const float* image, const float* panel,
                           const Channels& channels, std::int64_t begin, std::int64_t end,
                           const RollingWindow& window) {
  NothingAhead nothing;
  const std::int64_t w = job.sizes.w;
  const std::int64_t columns = channels.end - channels.begin;
  const float* a = image + begin * w * job.c_in;
  std::int64_t row = begin;
  std::int64_t column = 0;
  const auto tile = [&](auto rows) HWY_ATTR {
    constexpr int kRows = decltype(rows)::value;
    ProductTile<kRows, kVectors>(
        a, job.c_in, job.c_in, panel, 0, 0, columns,
        StoreToWindow{job, window, row, column, channels.begin - channels.first,
                      job.expand_bias + channels.begin},
        nothing);
    a += kRows * job.c_in;
    for (column += kRows; column >= w; column -= w) ++row;
  };
  std::int64_t left = (end - begin) * w;
  constexpr int kRows = TileRows<kVectors>();
  for (; left >= kRows; left -= kRows) tile(std::integral_constant<int, kRows>());
  for (; left > 0; --left) tile(std::integral_constant<int, 1>());
}

// The same without an expansion.
HWY_INLINE void CopyRows(const InferenceJob& job, const float* image, const Channels& channels,
                         std::int64_t begin, std::int64_t end, const RollingWindow& window) {
  const DepthwiseSizes& s = job.sizes;
  VisitChannels(channels.begin, channels.end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* from = image + row * s.w * s.c + c;
      float* to = window.At(row, 0, c - channels.first);
      for (std::int64_t x = 0; x < s.w; ++x, from += s.c, to += kGroup) {
        lanes.Store(lanes.Load(from), to);
      }
    }
  });
}

// Output rows [begin, end), all of whose input is in the window. e2 is that of row `begin`.
template <int K, int S, int T>
void ConvolveRows(const InferenceJob& job, const Channels& channels, std::int64_t begin,
                  std::int64_t end, const RollingWindow& window, float* e2) {
  const DepthwiseSizes& s = job.sizes;
  const std::int64_t step = job.e2_step();
  NothingAhead nothing;
  VisitChannels(channels.begin, channels.end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
    using V = typename std::decay_t<decltype(lanes)>::V;
    const V bias = lanes.Load(job.depthwise_bias + c);
    float* to = e2 + c;
    for (std::int64_t y = begin; y < end; ++y) {
      const KernelRows<K> rows = RowsOfOutput<K, S>(s, window, y, c - channels.first);
      for (std::int64_t x = 0; x < s.out_w; x += T) {
        V values[T];
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t) values[t] = bias;
        GatherTile<K, S, T, 0>(lanes, rows, x * S * kGroup, job.taps + c, s.c, values, nothing);
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t) values[t] = Activate(lanes, values[t], job.activation);
        const bool whole = x + T <= s.out_w;
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t, to += step) {
          if (!whole && x + t >= s.out_w) break;
          lanes.Store(values[t], to);
        }
      }
    }
  });
}

// One panel of channels of a strip: as many rows at a time as its window holds.
template <class Fill>
HWY_INLINE void ConvolvePanel(const InferenceJob& job, const Strip& strip, const Channels& channels,
                              const RollingWindow& window, float* e2, const Fill& fill) {
  const DepthwiseSizes& s = job.sizes;
  const std::int64_t block = s.step() / s.stride;
  const auto rows_read = [&](std::int64_t y) HWY_ATTR {  // by output rows before y
    return std::min(s.h, (y - 1) * s.stride - s.pad() + s.kernel);
  };
  std::int64_t filled = strip.first ? std::max<std::int64_t>(0, strip.begin * s.stride - s.pad())
                                    : rows_read(strip.begin);
  for (std::int64_t y = strip.begin; y < strip.end; y += block) {
    const std::int64_t next = std::min(strip.end, y + block);
    const std::int64_t end = rows_read(next);
    fill(filled, end);
    filled = end;
    WithConstants(s, [&](auto kernel, auto stride, auto width) HWY_ATTR {
      ConvolveRows<kernel, stride, width>(job, channels, y, next, window,
                                          e2 + (y - strip.begin) * s.out_w * job.e2_step());
    });
  }
}

void ConvolveStripTarget(const InferenceJob& job, const Strip& strip, std::int64_t slice,
                         float* scratch, float* e2) {
  const DepthwiseSizes& s = job.sizes;
  const RollingWindow window(scratch, s.in_rows(), s.in_columns(), job.window_channels(), s.pad());
  if (strip.first) window.ClearBorder(s.w);
  const std::int64_t begin = job.SliceBegin(slice);
  const std::int64_t columns = job.SliceBegin(slice + 1) - begin;
  const float* image = job.x + strip.image * s.h * s.w * job.c_in;
  ForEachPanel(columns, [&](auto vectors, std::int64_t column) HWY_ATTR {
    constexpr int kVectors = decltype(vectors)::value;
    const std::int64_t c = begin + column;
    const Channels channels{c, std::min(c + kVectors * ProductLanes(), begin + columns),
                            job.keeps_window() ? 0 : c};
    ConvolvePanel(
        job, strip, channels, window, e2, [&](std::int64_t first, std::int64_t end) HWY_ATTR {
          if (job.expand == nullptr) {
            return CopyRows(job, image, channels, first, end, window);
          }
          ExpandRows<kVectors>(job, image, job.expand + c * job.c_in, channels, first, end, window);
        });
  });
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
HWY_EXPORT(ConvolveStripTarget);

void mbconv::ConvolveStrip(const InferenceJob& job, const Strip& strip, std::int64_t slice,
                           float* window, float* e2) {
  HWY_DYNAMIC_DISPATCH(ConvolveStripTarget)(job, strip, slice, window, e2);
}

}  // namespace nasengine
#endif
