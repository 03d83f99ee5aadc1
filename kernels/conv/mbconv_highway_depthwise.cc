// The depthwise convolution of the fused MBConv, compiled for every instruction set: it reads the
// normalised input from a rolling window and gathers the statistics of what it writes.
// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv_highway.h"
#include "kernels/core/highway_targets.h"
#include "kernels/core/streaming.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/mbconv_highway_depthwise.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv/mbconv_window-inl.h"
#include "kernels/conv/result_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

using mbconv::ChannelSums;

// Output rows [y_begin, y_end) of one image, all in the window.
template <class Element, int K, int S, int T>
HWY_INLINE void DepthwiseBlock(const mbconv::DepthwiseJob& job, const RollingWindow& window,
                               std::int64_t y_begin, std::int64_t y_end, Element* out_rows,
                               const ChannelSums& sums, bool guess_pivot, bool stream,
                               ReadAhead& ahead) {
  const DepthwiseSizes& s = job.sizes;
  VisitChannels(0, s.c, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
    using V = typename std::decay_t<decltype(lanes)>::V;
    V pivot = lanes.Load(sums.pivot + c);
    V sum = lanes.Load(sums.block + c);
    V squares = lanes.Load(sums.block + sums.c + c);
    for (std::int64_t y = y_begin; y < y_end; ++y) {
      const KernelRows<K> rows = RowsOfOutput<K, S>(s, window, y, c);
      Element* to = out_rows + (y - y_begin) * s.out_w * s.c + c;
      for (std::int64_t x = 0; x < s.out_w; x += T) {
        V values[T];
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t) values[t] = lanes.Zero();
        GatherTile<K, S, T, LinesPerKernelRow<K, T>(1)>(lanes, rows, x * S * kGroup, job.w + c, s.c,
                                                        values, ahead);
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
          const V distance = hn::Sub(lanes.template Stored<Element>(values[t]), pivot);
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

template <class Element, int K, int S, int T>
HWY_INLINE void RunDepthwise(const mbconv::DepthwiseJob& job, std::int64_t begin, std::int64_t end,
                             float* scratch, const ChannelSums& sums) {
  const DepthwiseSizes& s = job.sizes;
  const std::int64_t block = s.step() / S;
  const bool stream = Streams(job.out);
  const ResultRows<Element> out(job.out, s.out_w * s.c, scratch + s.in_window_floats());
  RollingWindow window = InWindow(s, scratch);
  window.Clear();
  for (std::int64_t row = begin; row < end;) {
    const std::int64_t n = row / s.out_h;
    const std::int64_t y_end = std::min(s.out_h, end - n * s.out_h);
    const Element* image = job.in.As<Element>() + n * s.h * s.w * s.c;
    std::int64_t y = row % s.out_h;
    window.StartImage(std::max<std::int64_t>(0, y * S - s.pad()));
    while (y < y_end) {
      const std::int64_t next = std::min(y_end, y + block);
      window.FillTo(std::min(s.h, (next - 1) * S - s.pad() + K),
                    [&](std::int64_t r) HWY_ATTR { PutInput(s, image, job.norm, r, window); });
      ReadAhead ahead;
      AddImageRows(ahead, job.in, n * s.h + window.filled(), s.step(), s.w * s.c);
      DepthwiseBlock<Element, K, S, T>(job, window, y, next, out.Begin(row), sums, row == begin,
                                       stream, ahead);
      out.End(row, next - y);
      row += next - y;
      y = next;
    }
  }
  if (stream || out.streams()) hwy::FlushStream();
}

void DepthwiseRowsTarget(const mbconv::DepthwiseJob& job, std::int64_t begin, std::int64_t end,
                         float* scratch, const ChannelSums& sums) {
  WithStorage(job.out.dtype, [&]<class T>(T) HWY_ATTR {
    WithConstants(job.sizes, [&](auto kernel, auto stride, auto width) HWY_ATTR {
      RunDepthwise<T, kernel, stride, width>(job, begin, end, scratch, sums);
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

void mbconv::DepthwiseRows(const DepthwiseJob& job, std::int64_t begin, std::int64_t end,
                           float* scratch, const ChannelSums& sums) {
  HWY_DYNAMIC_DISPATCH(DepthwiseRowsTarget)(job, begin, end, scratch, sums);
}

}  // namespace nasengine
#endif
