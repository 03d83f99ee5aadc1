// Pooling in vectors of channels, compiled for every instruction set and chosen at run time. A
// thread owns rows of the output; backward passes gather, so that no two threads write to one
// element.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>

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

// x (h, w, c) one image; y (out_w, c) row `oh` of its output.
void AvgForwardRow(const ConvGeometry& g, std::int64_t oh, const float* x, float* y) {
  const Span rows = WindowOf(g, oh, g.h);
  for (std::int64_t ow = 0; ow < g.out_w(); ++ow, y += g.c_in) {
    const Span columns = WindowOf(g, ow, g.w);
    const float inverse = 1.0f / static_cast<float>(rows.size() * columns.size());
    ForEachVector(0, g.c_in, [&](auto d, std::int64_t c) HWY_ATTR {
      auto sum = hn::Zero(d);
      for (std::int64_t h = rows.begin; h < rows.end; ++h) {
        for (std::int64_t w = columns.begin; w < columns.end; ++w) {
          sum = hn::Add(sum, hn::LoadU(d, x + (h * g.w + w) * g.c_in + c));
        }
      }
      hn::StoreU(hn::Mul(sum, hn::Set(d, inverse)), d, y + c);
    });
  }
}

// dy (out_h, out_w, c) one image; dx (w, c) row `h` of its input.
void AvgBackwardRow(const ConvGeometry& g, std::int64_t h, const float* dy, float* dx) {
  const Span out_rows = OutputsOver(g, h, g.out_h());
  for (std::int64_t w = 0; w < g.w; ++w, dx += g.c_in) {
    const Span out_columns = OutputsOver(g, w, g.out_w());
    ForEachVector(0, g.c_in, [&](auto d, std::int64_t c) HWY_ATTR {
      auto sum = hn::Zero(d);
      for (std::int64_t oh = out_rows.begin; oh < out_rows.end; ++oh) {
        const std::int64_t rows = WindowOf(g, oh, g.h).size();
        for (std::int64_t ow = out_columns.begin; ow < out_columns.end; ++ow) {
          const auto count = static_cast<float>(rows * WindowOf(g, ow, g.w).size());
          const auto value = hn::LoadU(d, dy + (oh * g.out_w() + ow) * g.c_in + c);
          sum = hn::MulAdd(value, hn::Set(d, 1.0f / count), sum);
        }
      }
      hn::StoreU(sum, d, dx + c);
    });
  }
}

// x (h, w, c) one image; y (out_w, c) row `oh` of its output.
void MaxForwardRow(const ConvGeometry& g, std::int64_t oh, const float* x, float* y) {
  const Span rows = WindowOf(g, oh, g.h);
  for (std::int64_t ow = 0; ow < g.out_w(); ++ow, y += g.c_in) {
    const Span columns = WindowOf(g, ow, g.w);
    ForEachVector(0, g.c_in, [&](auto d, std::int64_t c) HWY_ATTR {
      auto largest = hn::LoadU(d, x + (rows.begin * g.w + columns.begin) * g.c_in + c);
      for (std::int64_t h = rows.begin; h < rows.end; ++h) {
        for (std::int64_t w = columns.begin; w < columns.end; ++w) {
          largest = hn::Max(largest, hn::LoadU(d, x + (h * g.w + w) * g.c_in + c));
        }
      }
      hn::StoreU(largest, d, y + c);
    });
  }
}

// Lanes where x[h][w] is the first largest of the window: above what precedes it, not below what
// follows.
template <class D>
HWY_INLINE auto IsFirstLargest(D d, const ConvGeometry& g, const float* x, std::int64_t h,
                               std::int64_t w, Span rows, Span columns) {
  const auto own = hn::LoadU(d, x + (h * g.w + w) * g.c_in);
  auto holds = hn::Eq(own, own);
  for (std::int64_t i = rows.begin; i < rows.end; ++i) {
    for (std::int64_t j = columns.begin; j < columns.end; ++j) {
      if (i == h && j == w) continue;
      const auto other = hn::LoadU(d, x + (i * g.w + j) * g.c_in);
      const bool precedes = i < h || (i == h && j < w);
      holds = hn::And(holds, precedes ? hn::Gt(own, other) : hn::Ge(own, other));
    }
  }
  return holds;
}

// x (h, w, c), dy (out_h, out_w, c) one image; dx (w, c) row `h` of its input.
void MaxBackwardRow(const ConvGeometry& g, std::int64_t h, const float* x, const float* dy,
                    float* dx) {
  const Span out_rows = OutputsOver(g, h, g.out_h());
  for (std::int64_t w = 0; w < g.w; ++w, dx += g.c_in) {
    const Span out_columns = OutputsOver(g, w, g.out_w());
    ForEachVector(0, g.c_in, [&](auto d, std::int64_t c) HWY_ATTR {
      auto sum = hn::Zero(d);
      for (std::int64_t oh = out_rows.begin; oh < out_rows.end; ++oh) {
        const Span rows = WindowOf(g, oh, g.h);
        for (std::int64_t ow = out_columns.begin; ow < out_columns.end; ++ow) {
          const auto mine = IsFirstLargest(d, g, x + c, h, w, rows, WindowOf(g, ow, g.w));
          const auto value = hn::LoadU(d, dy + (oh * g.out_w() + ow) * g.c_in + c);
          sum = hn::Add(sum, hn::IfThenElseZero(mine, value));
        }
      }
      hn::StoreU(sum, d, dx + c);
    });
  }
}

// x (pixels, c) from channel `begin` to `end`; y (c). Sums in f64: a mean over a large image of
// same-signed numbers would lose digits in f32.
void GlobalForwardChannels(const float* x, std::int64_t pixels, std::int64_t channels,
                           std::int64_t begin, std::int64_t end, float* y) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> narrow;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const double inverse = 1.0 / static_cast<double>(pixels);
  std::int64_t c = begin;
  for (; c + 2 * lanes <= end; c += 2 * lanes) {
    auto sum0 = hn::Zero(d);
    auto sum1 = hn::Zero(d);
    for (const float* from = x + c; from < x + c + pixels * channels; from += channels) {
      sum0 = hn::Add(sum0, hn::PromoteTo(d, hn::LoadU(narrow, from)));
      sum1 = hn::Add(sum1, hn::PromoteTo(d, hn::LoadU(narrow, from + lanes)));
    }
    const auto scale = hn::Set(d, inverse);
    hn::StoreU(hn::DemoteTo(narrow, hn::Mul(sum0, scale)), narrow, y + c);
    hn::StoreU(hn::DemoteTo(narrow, hn::Mul(sum1, scale)), narrow, y + c + lanes);
  }
  for (; c < end; ++c) {
    double sum = 0;
    for (std::int64_t p = 0; p < pixels; ++p) sum += static_cast<double>(x[p * channels + c]);
    y[c] = static_cast<float>(sum * inverse);
  }
}

// dx (pixels, c), every pixel dy (c) / count.
void GlobalBackwardPixels(const float* dy, std::int64_t channels, std::int64_t pixels,
                          std::int64_t count, float* dx) {
  const float inverse = 1.0f / static_cast<float>(count);
  for (std::int64_t p = 0; p < pixels; ++p, dx += channels) {
    ForEachVector(0, channels, [&](auto d, std::int64_t c) HWY_ATTR {
      hn::StoreU(hn::Mul(hn::LoadU(d, dy + c), hn::Set(d, inverse)), d, dx + c);
    });
  }
}

}  // namespace
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
namespace {

HWY_EXPORT(AvgForwardRow);
HWY_EXPORT(AvgBackwardRow);
HWY_EXPORT(MaxForwardRow);
HWY_EXPORT(MaxBackwardRow);
HWY_EXPORT(GlobalForwardChannels);
HWY_EXPORT(GlobalBackwardPixels);

std::int64_t InputImage(const ConvGeometry& g) { return g.h * g.w * g.c_in; }
std::int64_t OutputImage(const ConvGeometry& g) { return g.out_h() * g.out_w() * g.c_out; }

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
  const ConvGeometry& g = args.geometry;
  ForEachRow(context, g, g.out_h(), [&](std::int64_t image, std::int64_t oh) {
    HWY_DYNAMIC_DISPATCH(AvgForwardRow)
    (g, oh, args.x.As<float>() + image * InputImage(g),
     args.y.As<float>() + image * OutputImage(g) + oh * g.out_w() * g.c_out);
  });
}

void AvgBackward(Context& context, const AvgPoolBackward::Args& args) {
  CheckArgs(args);
  const ConvGeometry& g = args.geometry;
  ForEachRow(context, g, g.h, [&](std::int64_t image, std::int64_t h) {
    HWY_DYNAMIC_DISPATCH(AvgBackwardRow)
    (g, h, args.dy.As<float>() + image * OutputImage(g),
     args.dx.As<float>() + image * InputImage(g) + h * g.w * g.c_in);
  });
}

void MaxForward(Context& context, const MaxPoolForward::Args& args) {
  CheckArgs(args);
  const ConvGeometry& g = args.geometry;
  ForEachRow(context, g, g.out_h(), [&](std::int64_t image, std::int64_t oh) {
    HWY_DYNAMIC_DISPATCH(MaxForwardRow)
    (g, oh, args.x.As<float>() + image * InputImage(g),
     args.y.As<float>() + image * OutputImage(g) + oh * g.out_w() * g.c_out);
  });
}

void MaxBackward(Context& context, const MaxPoolBackward::Args& args) {
  CheckArgs(args);
  const ConvGeometry& g = args.geometry;
  ForEachRow(context, g, g.h, [&](std::int64_t image, std::int64_t h) {
    HWY_DYNAMIC_DISPATCH(MaxBackwardRow)
    (g, h, args.x.As<float>() + image * InputImage(g), args.dy.As<float>() + image * OutputImage(g),
     args.dx.As<float>() + image * InputImage(g) + h * g.w * g.c_in);
  });
}

void GlobalForward(Context& context, const GlobalAvgPoolForward::Args& args) {
  CheckArgs(args);
  // Blocks of channels are items too, so that one image keeps every thread busy.
  constexpr std::int64_t kBlock = 64;
  const Shape& x = args.x.shape;
  const std::int64_t pixels = x[1] * x[2];
  const std::int64_t channels = x[3];
  const std::int64_t blocks = (channels + kBlock - 1) / kBlock;
  ForEachChunk(context, x[0] * blocks, pixels * kBlock, [&](const Chunk& chunk) {
    for (std::int64_t i = chunk.begin; i < chunk.end; ++i) {
      const std::int64_t image = i / blocks;
      const std::int64_t begin = i % blocks * kBlock;
      HWY_DYNAMIC_DISPATCH(GlobalForwardChannels)
      (args.x.As<float>() + image * pixels * channels, pixels, channels, begin,
       std::min(begin + kBlock, channels), args.y.As<float>() + image * channels);
    }
  });
}

void GlobalBackward(Context& context, const GlobalAvgPoolBackward::Args& args) {
  CheckArgs(args);
  const Shape& dx = args.dx.shape;
  const std::int64_t channels = dx[3];
  ForEachChunk(context, dx[0] * dx[1], dx[2] * channels, [&](const Chunk& chunk) {
    for (std::int64_t row = chunk.begin; row < chunk.end; ++row) {
      HWY_DYNAMIC_DISPATCH(GlobalBackwardPixels)
      (args.dy.As<float>() + row / dx[1] * channels, channels, dx[2], dx[1] * dx[2],
       args.dx.As<float>() + row * dx[2] * channels);
    }
  });
}

}  // namespace

void RegisterPoolHighway(KernelRegistry& registry) {
  RegisterF32<AvgPoolForward>(registry, "highway", AvgForward);
  RegisterF32<AvgPoolBackward>(registry, "highway", AvgBackward);
  RegisterF32<MaxPoolForward>(registry, "highway", MaxForward);
  RegisterF32<MaxPoolBackward>(registry, "highway", MaxBackward);
  RegisterF32<GlobalAvgPoolForward>(registry, "highway", GlobalForward);
  RegisterF32<GlobalAvgPoolBackward>(registry, "highway", GlobalBackward);
}

}  // namespace nasengine
#endif  // HWY_ONCE
