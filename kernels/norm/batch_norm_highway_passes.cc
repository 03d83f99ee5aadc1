// The passes of batch normalisation in vectors, compiled for every instruction set. Several rows
// are taken at once, so that a channel's parameters and sums are loaded once for all of them.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <type_traits>

#include "kernels/core/highway_targets.h"
#include "kernels/norm/batch_norm_highway.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm/batch_norm_highway_passes.cc"
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
constexpr int kStepRows = 8;
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

void NormaliseTarget(ConstView x_view, Rows rows, const Affine& affine, View y_view) {
  const std::int64_t c_end = rows.c;
  WithStorage(x_view.dtype, [&]<class T>(T) HWY_ATTR {
    const T* x = x_view.As<T>();
    T* y = y_view.As<T>();
    ForEachStep(rows.begin, rows.end, [&](auto step_rows, std::int64_t row) HWY_ATTR {
      VisitChannels(0, c_end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
        const ChannelAffine channel(lanes, affine, c);
        const std::int64_t first = row * c_end + c;
        for (int r = 0; r < step_rows; ++r) {
          const auto value = channel.Value(lanes.Load(x + first + r * c_end));
          lanes.Store(Activate(lanes, value, affine.activation), y + first + r * c_end);
        }
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

template <Activation kActivation, class T>
HWY_INLINE void WriteInputGradient(const T* x, const T* dy, Rows rows, const Affine& affine,
                                   const float* slope, const float* offset, T* dx) {
  const std::int64_t c_end = rows.c;
  ForEachStep(rows.begin, rows.end, [&](auto step_rows, std::int64_t row) HWY_ATTR {
    VisitChannels(0, c_end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
      const ChannelAffine channel(lanes, affine, c);
      const auto x_factor = lanes.Load(slope + c);
      const auto constant = lanes.Load(offset + c);
      const std::int64_t first = row * c_end + c;
      for (int r = 0; r < step_rows; ++r) {
        const auto distance = hn::Sub(lanes.Load(x + first + r * c_end), channel.mean);
        const auto value = hn::MulAdd(distance, channel.scale, channel.beta);
        const auto g =
            PassedGradient<kActivation>(lanes, value, lanes.Load(dy + first + r * c_end));
        const auto rest = hn::MulAdd(distance, x_factor, constant);
        lanes.Store(hn::MulAdd(g, channel.scale, rest), dx + first + r * c_end);
      }
    });
  });
}

void InputGradientTarget(ConstView x, ConstView dy, Rows rows, const Affine& affine,
                         const float* slope, const float* offset, View dx) {
  WithStorage(x.dtype, [&]<class T>(T) HWY_ATTR {
    WithActivation(affine.activation, [&](auto activation) HWY_ATTR {
      WriteInputGradient<decltype(activation)::value>(x.As<T>(), dy.As<T>(), rows, affine, slope,
                                                      offset, dx.As<T>());
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

}  // namespace nasengine
#endif
