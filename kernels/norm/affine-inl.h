// Batch norm of one vector of channels, and the mask of its activation, shared by all kernels that
// apply them. Compiled once per instruction set.
// SPDX-License-Identifier: MIT
#if defined(NASENGINE_KERNELS_NORM_AFFINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_KERNELS_NORM_AFFINE_INL_H_
#undef NASENGINE_KERNELS_NORM_AFFINE_INL_H_
#else
#define NASENGINE_KERNELS_NORM_AFFINE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/core/lanes-inl.h"
#include "kernels/norm/batch_norm_highway.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine {
namespace HWY_NAMESPACE {

// The parameters of the channels from `c` on.
template <class L>
struct ChannelAffine {
  using V = typename L::V;
  HWY_INLINE ChannelAffine(const L& lanes, const batch_norm::Affine& affine, std::int64_t c)
      : mean(lanes.Load(affine.mean + c)),
        scale(lanes.Load(affine.scale + c)),
        beta(lanes.Load(affine.beta + c)) {}
  HWY_INLINE V Value(V x) const { return hn::MulAdd(hn::Sub(x, mean), scale, beta); }

  V mean;
  V scale;
  V beta;
};

template <class L>
struct ChannelNormGradient {
  using V = typename L::V;
  HWY_INLINE ChannelNormGradient(const L& lanes, const batch_norm::NormGradient& norm,
                                 std::int64_t c)
      : mean(lanes.Load(norm.affine.mean + c)),
        scale(lanes.Load(norm.affine.scale + c)),
        slope(lanes.Load(norm.slope + c)),
        offset(lanes.Load(norm.offset + c)) {}
  HWY_INLINE V Value(V g, V x) const {
    return hn::MulAdd(g, scale, hn::MulAdd(hn::Sub(x, mean), slope, offset));
  }

  V mean;
  V scale;
  V slope;
  V offset;
};

// The mask of PassedGradient for loops that are compiled once for all activations.
template <class L>
struct PassedBounds {
  using V = typename L::V;
  HWY_INLINE PassedBounds(const L& lanes, Activation activation)
      : lowest(lanes.Set(activation == Activation::kNone ? -kInfinity : 0.0f)),
        highest(lanes.Set(activation == Activation::kRelu6 ? 6.0f : kInfinity)) {}
  HWY_INLINE V Pass(V activated, V dy) const {
    return hn::IfThenElseZero(hn::And(hn::Gt(activated, lowest), hn::Lt(activated, highest)), dy);
  }

  static constexpr float kInfinity = std::numeric_limits<float>::infinity();
  V lowest;
  V highest;
};

// Floats ahead of a pass over memory that it asks for.
inline constexpr std::int64_t kAhead = 1024;

// Calls visit(lanes, channel, row, std::integral_constant<int, count>) for groups of 4, 2 or, at
// the end, 1 rows and all channels of them, so that memory is read in as many long runs and a
// channel's parameters are loaded once for all.
template <class Visit>
HWY_INLINE void ForRowGroups(std::int64_t rows, std::int64_t c, const Visit& visit) {
  constexpr int kRows = 4;
  std::int64_t row = 0;
  const auto take = [&](auto count) HWY_ATTR {
    VisitChannels(0, c, [&](const auto& lanes, std::int64_t channel) HWY_ATTR {
      visit(lanes, channel, row, count);
    });
  };
  for (; row + kRows <= rows; row += kRows) take(std::integral_constant<int, kRows>());
  for (; row + 2 <= rows; row += 2) take(std::integral_constant<int, 2>());
  if (row < rows) take(std::integral_constant<int, 1>());
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nasengine
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
