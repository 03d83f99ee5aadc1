// Pooling in vectors of channels, compiled for every instruction set and chosen at run time. A
// thread owns rows of the output; backward passes gather, so that no two threads write to one
// element.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>

#include "kernels/core/bfloat16.h"
#include "kernels/core/float_kernel.h"
#include "kernels/core/highway_targets.h"
#include "kernels/core/parallel.h"
#include "kernels/pool/pool.h"
#include "kernels/pool/pool_check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/pool_highway.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/core/for_each_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Where row `row` of an image begins in a tensor of the pool's inputs, and of its outputs.
template <class T, class V>
HWY_INLINE auto* InputOf(const V& view, const ConvGeometry& g, std::int64_t image,
                         std::int64_t row = 0) {
  return view.template As<T>() + (image * g.h + row) * g.w * g.c_in;
}
template <class T, class V>
HWY_INLINE auto* OutputOf(const V& view, const ConvGeometry& g, std::int64_t image,
                          std::int64_t row = 0) {
  return view.template As<T>() + (image * g.out_h() + row) * g.out_w() * g.c_out;
}

// x (h, w, c) one image; y (out_w, c) row `oh` of its output.
template <class T>
HWY_INLINE void AvgForwardRow(const ConvGeometry& g, std::int64_t oh, const T* x, T* y) {
  const Span rows = WindowOf(g, oh, g.h);
  for (std::int64_t ow = 0; ow < g.out_w(); ++ow, y += g.c_in) {
    const Span columns = WindowOf(g, ow, g.w);
    const float inverse = 1.0f / static_cast<float>(rows.size() * columns.size());
    ForEachVector(0, g.c_in, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
      auto sum = lanes.Zero();
      for (std::int64_t h = rows.begin; h < rows.end; ++h) {
        for (std::int64_t w = columns.begin; w < columns.end; ++w) {
          sum = hn::Add(sum, lanes.Load(x + (h * g.w + w) * g.c_in + c));
        }
      }
      lanes.Store(hn::Mul(sum, lanes.Set(inverse)), y + c);
    });
  }
}

// dy (out_h, out_w, c) one image; dx (w, c) row `h` of its input.
template <class T>
HWY_INLINE void AvgBackwardRow(const ConvGeometry& g, std::int64_t h, const T* dy, T* dx) {
  const Span out_rows = OutputsOver(g, h, g.out_h());
  for (std::int64_t w = 0; w < g.w; ++w, dx += g.c_in) {
    const Span out_columns = OutputsOver(g, w, g.out_w());
    ForEachVector(0, g.c_in, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
      auto sum = lanes.Zero();
      for (std::int64_t oh = out_rows.begin; oh < out_rows.end; ++oh) {
        const std::int64_t rows = WindowOf(g, oh, g.h).size();
        for (std::int64_t ow = out_columns.begin; ow < out_columns.end; ++ow) {
          const auto count = static_cast<float>(rows * WindowOf(g, ow, g.w).size());
          const auto value = lanes.Load(dy + (oh * g.out_w() + ow) * g.c_in + c);
          sum = hn::MulAdd(value, lanes.Set(1.0f / count), sum);
        }
      }
      lanes.Store(sum, dx + c);
    });
  }
}

// x (h, w, c) one image; y (out_w, c) row `oh` of its output.
template <class T>
HWY_INLINE void MaxForwardRow(const ConvGeometry& g, std::int64_t oh, const T* x, T* y) {
  const Span rows = WindowOf(g, oh, g.h);
  for (std::int64_t ow = 0; ow < g.out_w(); ++ow, y += g.c_in) {
    const Span columns = WindowOf(g, ow, g.w);
    ForEachVector(0, g.c_in, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
      auto largest = lanes.Load(x + (rows.begin * g.w + columns.begin) * g.c_in + c);
      for (std::int64_t h = rows.begin; h < rows.end; ++h) {
        for (std::int64_t w = columns.begin; w < columns.end; ++w) {
          largest = hn::Max(largest, lanes.Load(x + (h * g.w + w) * g.c_in + c));
        }
      }
      lanes.Store(largest, y + c);
    });
  }
}

// Lanes where x[h][w] is the first largest of the window: above what precedes it, not below what
// follows.
template <class L, class T>
HWY_INLINE auto IsFirstLargest(const L& lanes, const ConvGeometry& g, const T* x, std::int64_t h,
                               std::int64_t w, Span rows, Span columns) {
  const auto own = lanes.Load(x + (h * g.w + w) * g.c_in);
  auto holds = hn::Eq(own, own);
  for (std::int64_t i = rows.begin; i < rows.end; ++i) {
    for (std::int64_t j = columns.begin; j < columns.end; ++j) {
      if (i == h && j == w) continue;
      const auto other = lanes.Load(x + (i * g.w + j) * g.c_in);
      const bool precedes = i < h || (i == h && j < w);
      holds = hn::And(holds, precedes ? hn::Gt(own, other) : hn::Ge(own, other));
    }
  }
  return holds;
}

// x (h, w, c), dy (out_h, out_w, c) one image; dx (w, c) row `h` of its input.
template <class T>
HWY_INLINE void MaxBackwardRow(const ConvGeometry& g, std::int64_t h, const T* x, const T* dy,
                               T* dx) {
  const Span out_rows = OutputsOver(g, h, g.out_h());
  for (std::int64_t w = 0; w < g.w; ++w, dx += g.c_in) {
    const Span out_columns = OutputsOver(g, w, g.out_w());
    ForEachVector(0, g.c_in, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
      auto sum = lanes.Zero();
      for (std::int64_t oh = out_rows.begin; oh < out_rows.end; ++oh) {
        const Span rows = WindowOf(g, oh, g.h);
        for (std::int64_t ow = out_columns.begin; ow < out_columns.end; ++ow) {
          const auto mine = IsFirstLargest(lanes, g, x + c, h, w, rows, WindowOf(g, ow, g.w));
          const auto value = lanes.Load(dy + (oh * g.out_w() + ow) * g.c_in + c);
          sum = hn::Add(sum, hn::IfThenElseZero(mine, value));
        }
      }
      lanes.Store(sum, dx + c);
    });
  }
}

// x (pixels, c) from channel `begin` to `end`; y (c). Sums in f64: a mean over a large image of
// same-signed numbers would lose digits in f32.
template <class T>
HWY_INLINE void GlobalForwardChannels(const T* x, std::int64_t pixels, std::int64_t channels,
                                      std::int64_t begin, std::int64_t end, T* y) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> narrow;
  const FullLanes<decltype(narrow)> full;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const double inverse = 1.0 / static_cast<double>(pixels);
  std::int64_t c = begin;
  for (; c + 2 * lanes <= end; c += 2 * lanes) {
    auto sum0 = hn::Zero(d);
    auto sum1 = hn::Zero(d);
    for (const T* from = x + c; from < x + c + pixels * channels; from += channels) {
      sum0 = hn::Add(sum0, hn::PromoteTo(d, full.Load(from)));
      sum1 = hn::Add(sum1, hn::PromoteTo(d, full.Load(from + lanes)));
    }
    const auto scale = hn::Set(d, inverse);
    full.Store(hn::DemoteTo(narrow, hn::Mul(sum0, scale)), y + c);
    full.Store(hn::DemoteTo(narrow, hn::Mul(sum1, scale)), y + c + lanes);
  }
  for (; c < end; ++c) {
    double sum = 0;
    for (std::int64_t p = 0; p < pixels; ++p) sum += ToDouble(x[p * channels + c]);
    y[c] = Rounded<T>(sum * inverse);
  }
}

// dx (pixels, c), every pixel dy (c) / count.
template <class T>
HWY_INLINE void GlobalBackwardPixels(const T* dy, std::int64_t channels, std::int64_t pixels,
                                     std::int64_t count, T* dx) {
  const float inverse = 1.0f / static_cast<float>(count);
  for (std::int64_t p = 0; p < pixels; ++p, dx += channels) {
    ForEachVector(0, channels, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
      lanes.Store(hn::Mul(lanes.Load(dy + c), lanes.Set(inverse)), dx + c);
    });
  }
}

void AvgForwardTarget(const AvgPoolForward::Args& args, std::int64_t image, std::int64_t oh) {
  const ConvGeometry& g = args.geometry;
  WithStorage(args.x.dtype, [&]<class T>(T) HWY_ATTR {
    AvgForwardRow(g, oh, InputOf<T>(args.x, g, image), OutputOf<T>(args.y, g, image, oh));
  });
}

void AvgBackwardTarget(const AvgPoolBackward::Args& args, std::int64_t image, std::int64_t h) {
  const ConvGeometry& g = args.geometry;
  WithStorage(args.dy.dtype, [&]<class T>(T) HWY_ATTR {
    AvgBackwardRow(g, h, OutputOf<T>(args.dy, g, image), InputOf<T>(args.dx, g, image, h));
  });
}

void MaxForwardTarget(const MaxPoolForward::Args& args, std::int64_t image, std::int64_t oh) {
  const ConvGeometry& g = args.geometry;
  WithStorage(args.x.dtype, [&]<class T>(T) HWY_ATTR {
    MaxForwardRow(g, oh, InputOf<T>(args.x, g, image), OutputOf<T>(args.y, g, image, oh));
  });
}

void MaxBackwardTarget(const MaxPoolBackward::Args& args, std::int64_t image, std::int64_t h) {
  const ConvGeometry& g = args.geometry;
  WithStorage(args.x.dtype, [&]<class T>(T) HWY_ATTR {
    MaxBackwardRow(g, h, InputOf<T>(args.x, g, image), OutputOf<T>(args.dy, g, image),
                   InputOf<T>(args.dx, g, image, h));
  });
}

void GlobalForwardTarget(const GlobalAvgPoolForward::Args& args, std::int64_t image,
                         std::int64_t begin, std::int64_t end) {
  const Shape& x = args.x.shape;
  const std::int64_t pixels = x[1] * x[2];
  WithStorage(args.x.dtype, [&]<class T>(T) HWY_ATTR {
    GlobalForwardChannels(args.x.As<T>() + image * pixels * x[3], pixels, x[3], begin, end,
                          args.y.As<T>() + image * x[3]);
  });
}

// Row `row` of all images' rows.
void GlobalBackwardTarget(const GlobalAvgPoolBackward::Args& args, std::int64_t row) {
  const Shape& dx = args.dx.shape;
  WithStorage(args.dx.dtype, [&]<class T>(T) HWY_ATTR {
    GlobalBackwardPixels(args.dy.As<T>() + row / dx[1] * dx[3], dx[3], dx[2], dx[1] * dx[2],
                         args.dx.As<T>() + row * dx[2] * dx[3]);
  });
}

}  // namespace
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
namespace {

HWY_EXPORT(AvgForwardTarget);
HWY_EXPORT(AvgBackwardTarget);
HWY_EXPORT(MaxForwardTarget);
HWY_EXPORT(MaxBackwardTarget);
HWY_EXPORT(GlobalForwardTarget);
HWY_EXPORT(GlobalBackwardTarget);

// Calls body(image, row) for `rows` rows of each of g.n images. A row costs as much as its windows
// have elements.
template <class Body>
void ForEachRow(const Context& context, const ConvGeometry& g, std::int64_t rows,
                const Body& body) {
  const std::int64_t cost = g.out_w() * g.c_out * g.kernel * g.kernel;
  ForEachChunk(context, g.n * rows, cost, [&](const Chunk& chunk) {
    for (std::int64_t i = chunk.begin; i < chunk.end; ++i) body(i / rows, i % rows);
  });
}

void AvgForward(Context& context, const AvgPoolForward::Args& args) {
  CheckArgs(args);
  ForEachRow(context, args.geometry, args.geometry.out_h(),
             [&](std::int64_t image, std::int64_t oh) {
               HWY_DYNAMIC_DISPATCH(AvgForwardTarget)(args, image, oh);
             });
}

void AvgBackward(Context& context, const AvgPoolBackward::Args& args) {
  CheckArgs(args);
  ForEachRow(context, args.geometry, args.geometry.h, [&](std::int64_t image, std::int64_t h) {
    HWY_DYNAMIC_DISPATCH(AvgBackwardTarget)(args, image, h);
  });
}

void MaxForward(Context& context, const MaxPoolForward::Args& args) {
  CheckArgs(args);
  ForEachRow(context, args.geometry, args.geometry.out_h(),
             [&](std::int64_t image, std::int64_t oh) {
               HWY_DYNAMIC_DISPATCH(MaxForwardTarget)(args, image, oh);
             });
}

void MaxBackward(Context& context, const MaxPoolBackward::Args& args) {
  CheckArgs(args);
  ForEachRow(context, args.geometry, args.geometry.h, [&](std::int64_t image, std::int64_t h) {
    HWY_DYNAMIC_DISPATCH(MaxBackwardTarget)(args, image, h);
  });
}

void GlobalForward(Context& context, const GlobalAvgPoolForward::Args& args) {
  CheckArgs(args);
  // Blocks of channels are items too, so that one image keeps every thread busy.
  constexpr std::int64_t kBlock = 64;
  const Shape& x = args.x.shape;
  const std::int64_t blocks = (x[3] + kBlock - 1) / kBlock;
  ForEachChunk(context, x[0] * blocks, x[1] * x[2] * kBlock, [&](const Chunk& chunk) {
    for (std::int64_t i = chunk.begin; i < chunk.end; ++i) {
      const std::int64_t begin = i % blocks * kBlock;
      HWY_DYNAMIC_DISPATCH(GlobalForwardTarget)
      (args, i / blocks, begin, std::min(begin + kBlock, x[3]));
    }
  });
}

void GlobalBackward(Context& context, const GlobalAvgPoolBackward::Args& args) {
  CheckArgs(args);
  const Shape& dx = args.dx.shape;
  ForEachChunk(context, dx[0] * dx[1], dx[2] * dx[3], [&](const Chunk& chunk) {
    for (std::int64_t row = chunk.begin; row < chunk.end; ++row) {
      HWY_DYNAMIC_DISPATCH(GlobalBackwardTarget)(args, row);
    }
  });
}

}  // namespace

void RegisterPoolHighway(KernelRegistry& registry) {
  RegisterOurs<AvgPoolForward>(registry, "highway", AvgForward);
  RegisterOurs<AvgPoolBackward>(registry, "highway", AvgBackward);
  RegisterOurs<MaxPoolForward>(registry, "highway", MaxForward);
  RegisterOurs<MaxPoolBackward>(registry, "highway", MaxBackward);
  RegisterOurs<GlobalAvgPoolForward>(registry, "highway", GlobalForward);
  RegisterOurs<GlobalAvgPoolBackward>(registry, "highway", GlobalBackward);
}

}  // namespace nasengine
#endif  // HWY_ONCE
