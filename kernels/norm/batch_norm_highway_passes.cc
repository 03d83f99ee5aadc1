// The passes of batch normalisation in vectors, compiled for every instruction set. Several rows
// are taken at once, so that a channel's parameters and sums are loaded once for all of them.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <type_traits>

#include "kernels/core/highway_targets.h"
#include "kernels/core/streaming.h"
#include "kernels/norm/batch_norm_highway.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm/batch_norm_highway_passes.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/core/lanes-inl.h"
#include "kernels/norm/affine-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

using batch_norm::Affine;
using batch_norm::Rows;

// Rows whose sums stay in f32. Short, because sums of squares of values on a coarse grid (small
// spread, large mean) round down more often than up, the more the larger the sum.
constexpr std::int64_t kBlockRows = 32;
// Rows that one step of a pass takes.
constexpr int kStepRows = 4;
// Rows from which the pivot is guessed.
constexpr std::int64_t kPivotRows = 16;

// Calls step(std::integral_constant<int, n>, first_row) for groups of kStepRows rows, then one.
template <class Step>
HWY_INLINE void ForEachStep(std::int64_t begin, std::int64_t end, const Step& step) {
  std::int64_t row = begin;
  for (; row + kStepRows <= end; row += kStepRows) {
    step(std::integral_constant<int, kStepRows>(), row);
  }
  for (; row < end; ++row) step(std::integral_constant<int, 1>(), row);
}

// Runs `sum(step rows, row, block)` over blocks of rows and adds each block's f32 sums (2, c) to
// the f64 totals.
template <class Sum>
HWY_INLINE void SumInBlocks(Rows rows, float* block, double* totals, const Sum& sum) {
  std::fill(totals, totals + 2 * rows.c, 0.0);
  for (std::int64_t begin = rows.begin; begin < rows.end; begin += kBlockRows) {
    std::fill(block, block + 2 * rows.c, 0.0f);
    ForEachStep(begin, std::min(rows.end, begin + kBlockRows), sum);
    for (std::int64_t i = 0; i < 2 * rows.c; ++i) totals[i] += double{block[i]};
  }
}

template <class T>
HWY_INLINE void GuessPivot(const T* x, Rows rows, float* pivot) {
  const std::int64_t c_end = rows.c;
  const std::int64_t count = rows.end - rows.begin;
  const std::int64_t samples = std::min(kPivotRows, count);
  const float inverse = 1.0f / static_cast<float>(std::max<std::int64_t>(1, samples));
  VisitChannels(0, c_end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
    auto sum = lanes.Zero();
    for (std::int64_t i = 0; i < samples; ++i) {
      const std::int64_t row = rows.begin + count * i / samples;
      sum = hn::Add(sum, lanes.Load(x + row * c_end + c));
    }
    lanes.Store(hn::Mul(sum, lanes.Set(inverse)), pivot + c);
  });
}

void CentredSumsTarget(ConstView x_view, Rows rows, float* pivot, float* block, double* totals) {
  const std::int64_t c_end = rows.c;
  WithStorage(x_view.dtype, [&]<class T>(T) HWY_ATTR {
    const T* x = x_view.As<T>();
    GuessPivot(x, rows, pivot);
    SumInBlocks(rows, block, totals, [&](auto step_rows, std::int64_t row) HWY_ATTR {
      VisitChannels(0, c_end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
        const auto centre = lanes.Load(pivot + c);
        auto sum = lanes.Load(block + c);
        auto squares = lanes.Load(block + c_end + c);
        const T* from = x + row * c_end + c;
        for (int r = 0; r < step_rows; ++r, from += c_end) {
          const auto distance = hn::Sub(lanes.Load(from), centre);
          sum = hn::Add(sum, distance);
          squares = hn::MulAdd(distance, distance, squares);
        }
        lanes.Store(sum, block + c);
        lanes.Store(squares, block + c_end + c);
      });
    });
  });
}

// For every vector of channels values(lanes, channel, write) is called, which calls write(value),
// which sets the channels of all rows to value(index). A view that is written in place is still in
// the caches, so only others may be streamed, and those row by row: the vectors of a cache line one
// after the other.
template <class T, class Values>
HWY_INLINE void WriteRows(Rows rows, ConstView in, View out_view, const Values& values) {
  T* out = out_view.As<T>();
  const auto step = [&](auto step_rows, std::int64_t row, auto stream) HWY_ATTR {
    VisitChannels(0, rows.c, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
      values(lanes, c, [&](const auto& value) HWY_ATTR {
        std::int64_t i = row * rows.c + c;
        for (int r = 0; r < step_rows; ++r, i += rows.c) {
          if constexpr (stream) {
            lanes.Stream(value(i), out + i);
          } else {
            lanes.Store(value(i), out + i);
          }
        }
      });
    });
  };
  if (out_view.data == in.data || !StreamsLines(out_view)) {
    return ForEachStep(rows.begin, rows.end, [&](auto step_rows, std::int64_t row) HWY_ATTR {
      step(step_rows, row, std::false_type());
    });
  }
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    step(std::integral_constant<int, 1>(), row, std::true_type());
  }
  hwy::FlushStream();
}

void NormaliseTarget(ConstView x_view, Rows rows, const Affine& affine, View y) {
  WithStorage(x_view.dtype, [&]<class T>(T) HWY_ATTR {
    WithActivation(affine.activation, [&](auto activation) HWY_ATTR {
      const T* x = x_view.As<T>();
      WriteRows<T>(
          rows, x_view, y, [&](const auto& lanes, std::int64_t c, const auto& write) HWY_ATTR {
            const ChannelAffine channel(lanes, affine, c);
            write([&](std::int64_t i) HWY_ATTR {
              return Activate(lanes, channel.Value(lanes.Load(x + i)), decltype(activation)::value);
            });
          });
    });
  });
}

template <Activation kActivation, class T>
HWY_INLINE void SumGradients(const T* x, const T* dy, Rows rows, const Affine& affine, float* block,
                             double* totals) {
  const std::int64_t c_end = rows.c;
  SumInBlocks(rows, block, totals, [&](auto step_rows, std::int64_t row) HWY_ATTR {
    VisitChannels(0, c_end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
      const ChannelAffine channel(lanes, affine, c);
      auto sum = lanes.Load(block + c);
      auto projection = lanes.Load(block + c_end + c);
      const std::int64_t first = row * c_end + c;
      for (int r = 0; r < step_rows; ++r) {
        const auto distance = hn::Sub(lanes.Load(x + first + r * c_end), channel.mean);
        const auto value = hn::MulAdd(distance, channel.scale, channel.beta);
        const auto g =
            PassedGradient<kActivation>(lanes, value, lanes.Load(dy + first + r * c_end));
        sum = hn::Add(sum, g);
        projection = hn::MulAdd(g, distance, projection);
      }
      lanes.Store(sum, block + c);
      lanes.Store(projection, block + c_end + c);
    });
  });
}

void GradientSumsTarget(ConstView x, ConstView dy, Rows rows, const Affine& affine, float* block,
                        double* totals) {
  WithStorage(x.dtype, [&]<class T>(T) HWY_ATTR {
    WithActivation(affine.activation, [&](auto activation) HWY_ATTR {
      SumGradients<decltype(activation)::value>(x.As<T>(), dy.As<T>(), rows, affine, block, totals);
    });
  });
}

void InputGradientTarget(ConstView x_view, ConstView dy_view, Rows rows, const Affine& affine,
                         const float* slope, const float* offset, View dx) {
  WithStorage(x_view.dtype, [&]<class T>(T) HWY_ATTR {
    WithActivation(affine.activation, [&](auto activation) HWY_ATTR {
      const T* x = x_view.As<T>();
      const T* dy = dy_view.As<T>();
      WriteRows<T>(
          rows, dy_view, dx, [&](const auto& lanes, std::int64_t c, const auto& write) HWY_ATTR {
            const ChannelAffine channel(lanes, affine, c);
            const auto x_factor = lanes.Load(slope + c);
            const auto constant = lanes.Load(offset + c);
            write([&](std::int64_t i) HWY_ATTR {
              const auto distance = hn::Sub(lanes.Load(x + i), channel.mean);
              const auto value = hn::MulAdd(distance, channel.scale, channel.beta);
              const auto g =
                  PassedGradient<decltype(activation)::value>(lanes, value, lanes.Load(dy + i));
              return hn::MulAdd(g, channel.scale, hn::MulAdd(distance, x_factor, constant));
            });
          });
    });
  });
}

void MaskGradientTarget(ConstView x_view, ConstView dy_view, Rows rows, const Affine& affine,
                        View dx) {
  WithStorage(x_view.dtype, [&]<class T>(T) HWY_ATTR {
    WithActivation(affine.activation, [&](auto activation) HWY_ATTR {
      const T* x = x_view.As<T>();
      const T* dy = dy_view.As<T>();
      WriteRows<T>(
          rows, dy_view, dx, [&](const auto& lanes, std::int64_t c, const auto& write) HWY_ATTR {
            const ChannelAffine channel(lanes, affine, c);
            write([&](std::int64_t i) HWY_ATTR {
              const auto value = channel.Value(lanes.Load(x + i));
              return PassedGradient<decltype(activation)::value>(lanes, value, lanes.Load(dy + i));
            });
          });
    });
  });
}

void ActivateTarget(View y, Rows rows, Activation kind) {
  WithStorage(y.dtype, [&]<class T>(T) HWY_ATTR {
    WithActivation(kind, [&](auto activation) HWY_ATTR {
      T* values = y.As<T>();
      WriteRows<T>(rows, y, y, [&](const auto& lanes, std::int64_t, const auto& write) HWY_ATTR {
        write([&](std::int64_t i) HWY_ATTR {
          return Activate(lanes, lanes.Load(values + i), decltype(activation)::value);
        });
      });
    });
  });
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
HWY_EXPORT(CentredSumsTarget);
HWY_EXPORT(NormaliseTarget);
HWY_EXPORT(GradientSumsTarget);
HWY_EXPORT(InputGradientTarget);
HWY_EXPORT(MaskGradientTarget);
HWY_EXPORT(ActivateTarget);

void batch_norm::CentredSums(ConstView x, Rows rows, float* pivot, float* block, double* totals) {
  HWY_DYNAMIC_DISPATCH(CentredSumsTarget)(x, rows, pivot, block, totals);
}

void batch_norm::Normalise(ConstView x, Rows rows, const Affine& affine, View y) {
  HWY_DYNAMIC_DISPATCH(NormaliseTarget)(x, rows, affine, y);
}

void batch_norm::GradientSums(ConstView x, ConstView dy, Rows rows, const Affine& affine,
                              float* block, double* totals) {
  HWY_DYNAMIC_DISPATCH(GradientSumsTarget)(x, dy, rows, affine, block, totals);
}

void batch_norm::InputGradient(ConstView x, ConstView dy, Rows rows, const Affine& affine,
                               const float* slope, const float* offset, View dx) {
  HWY_DYNAMIC_DISPATCH(InputGradientTarget)(x, dy, rows, affine, slope, offset, dx);
}

void batch_norm::MaskGradient(ConstView x, ConstView dy, Rows rows, const Affine& affine, View dx) {
  HWY_DYNAMIC_DISPATCH(MaskGradientTarget)(x, dy, rows, affine, dx);
}

void batch_norm::Activate(View y, Rows rows, Activation activation) {
  HWY_DYNAMIC_DISPATCH(ActivateTarget)(y, rows, activation);
}

}  // namespace nasengine
#endif
