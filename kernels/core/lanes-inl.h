// Channels as vectors: full ones and one partial one at the end, behind one interface, so that a
// kernel is written once for any channel count. Compiled once per instruction set.
// SPDX-License-Identifier: MIT

// Highway's include guard for code that is compiled once per target.
#if defined(NASENGINE_KERNELS_CORE_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_KERNELS_CORE_LANES_INL_H_
#undef NASENGINE_KERNELS_CORE_LANES_INL_H_
#else
#define NASENGINE_KERNELS_CORE_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <type_traits>

#include "kernels/core/activation.h"
#include "kernels/core/bfloat16_lanes-inl.h"
#include "kernels/core/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Vector registers that a kernel may plan with.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
inline constexpr int kVectorRegisters = 32;
#else
inline constexpr int kVectorRegisters = 16;
#endif

// All lanes of a D, a tag of f32. What is stored as bf16 is widened and rounded on the way.
template <class D>
struct FullLanes {
  using V = hn::Vec<D>;
  static constexpr bool kFull = true;
  static HWY_INLINE V Load(const float* from) { return hn::LoadU(D(), from); }
  static HWY_INLINE V Load(const BFloat16* from) {
    return WidenLanes(D(), hn::LoadU(BFloat16Bits<D>(), &from->bits));
  }
  static HWY_INLINE void Store(V value, float* to) { hn::StoreU(value, D(), to); }
  static HWY_INLINE void Store(V value, BFloat16* to) {
    hn::StoreU(NarrowLanes(D(), value), BFloat16Bits<D>(), &to->bits);
  }
  // A value that is not NaN, of bf16 for less.
  static HWY_INLINE void StoreNumbers(V value, float* to) { Store(value, to); }
  static HWY_INLINE void StoreNumbers(V value, BFloat16* to) {
    hn::StoreU(NarrowNumbers(D(), value), BFloat16Bits<D>(), &to->bits);
  }
  // Past the caches; `to` is aligned to the vector. Whoever streams writes all vectors of a cache
  // line, of bf16 at least two, one after the other: else the line crosses memory twice.
  template <class T>
  static HWY_INLINE void Stream(V value, T* to) {
    if constexpr (std::is_same_v<T, BFloat16>) {
      hn::Stream(NarrowLanes(D(), value), BFloat16Bits<D>(), &to->bits);
    } else {
      hn::Stream(value, D(), to);
    }
  }
  // `value` as it comes back when it is stored as a T.
  template <class T>
  static HWY_INLINE V Stored(V value) {
    if constexpr (std::is_same_v<T, BFloat16>) return RoundToBFloat16(D(), value);
    return value;
  }
  static HWY_INLINE V Set(float value) { return hn::Set(D(), value); }
  static HWY_INLINE V Zero() { return hn::Zero(D()); }
};

// The first `count` lanes of a D; touches no memory of the others, which load as zero.
template <class D>
struct FirstLanes {
  using V = hn::Vec<D>;
  static constexpr bool kFull = false;
  explicit HWY_INLINE FirstLanes(std::int64_t count)
      : mask(hn::FirstN(D(), static_cast<std::size_t>(count))),
        bf16_mask(hn::FirstN(BFloat16Bits<D>(), static_cast<std::size_t>(count))) {}
  HWY_INLINE V Load(const float* from) const { return hn::MaskedLoad(mask, D(), from); }
  HWY_INLINE V Load(const BFloat16* from) const {
    return WidenLanes(D(), hn::MaskedLoad(bf16_mask, BFloat16Bits<D>(), &from->bits));
  }
  HWY_INLINE void Store(V value, float* to) const { hn::BlendedStore(value, mask, D(), to); }
  HWY_INLINE void Store(V value, BFloat16* to) const {
    hn::BlendedStore(NarrowLanes(D(), value), bf16_mask, BFloat16Bits<D>(), &to->bits);
  }
  template <class T>
  HWY_INLINE void StoreNumbers(V value, T* to) const {
    Store(value, to);
  }
  template <class T>
  HWY_INLINE void Stream(V value, T* to) const {
    Store(value, to);
  }
  template <class T>
  static HWY_INLINE V Stored(V value) {
    return FullLanes<D>::template Stored<T>(value);
  }
  static HWY_INLINE V Set(float value) { return hn::Set(D(), value); }
  static HWY_INLINE V Zero() { return hn::Zero(D()); }

  hn::Mask<D> mask;
  hn::Mask<BFloat16Bits<D>> bf16_mask;
};

// Distance in a buffer from one vector of `lanes` to the next.
template <class D>
HWY_INLINE std::int64_t LanesOf(const FullLanes<D>&) {
  return static_cast<std::int64_t>(hn::Lanes(D()));
}
template <class D>
HWY_INLINE std::int64_t LanesOf(const FirstLanes<D>&) {
  return static_cast<std::int64_t>(hn::Lanes(D()));
}

// Calls visit(lanes, c) for channels [begin, end) in vectors starting at c.
template <class Visit>
HWY_INLINE void VisitChannels(std::int64_t begin, std::int64_t end, const Visit& visit) {
  using D = hn::ScalableTag<float>;
  const std::int64_t width = static_cast<std::int64_t>(hn::Lanes(D()));
  std::int64_t c = begin;
  for (; c + width <= end; c += width) visit(FullLanes<D>(), c);
#if HWY_MEM_OPS_MIGHT_FAULT
  for (; c < end; ++c) visit(FullLanes<hn::CappedTag<float, 1>>(), c);
#else
  if (c < end) visit(FirstLanes<D>(end - c), c);
#endif
}

// Calls body(float{}) or body(BFloat16{}): what kernels of ours take, by the type of a view.
template <class Body>
HWY_INLINE void WithStorage(DType dtype, const Body& body) {
  if (dtype == DType::kBf16) {
    body(BFloat16{});
  } else {
    body(float{});
  }
}

// The operand order keeps a NaN a NaN on x86.
template <class L>
HWY_INLINE typename L::V Activate(const L& lanes, typename L::V value, Activation activation) {
  if (activation == Activation::kNone) return value;
  value = hn::Max(lanes.Zero(), value);
  return activation == Activation::kRelu6 ? hn::Min(lanes.Set(6.0f), value) : value;
}

// dy where the activation's slope at `value`, before or after it, is 1; else 0.
template <Activation kActivation, class L, class V = typename L::V>
HWY_INLINE V PassedGradient(const L& lanes, V value, V dy) {
  if constexpr (kActivation == Activation::kNone) {
    return dy;
  } else {
    auto passes = hn::Gt(value, lanes.Zero());
    if constexpr (kActivation == Activation::kRelu6) {
      passes = hn::And(passes, hn::Lt(value, lanes.Set(6.0f)));
    }
    return hn::IfThenElseZero(passes, dy);
  }
}

// Calls body(std::integral_constant<Activation, activation>).
template <class Body>
HWY_INLINE void WithActivation(Activation activation, const Body& body) {
  if (activation == Activation::kRelu) {
    body(std::integral_constant<Activation, Activation::kRelu>());
  } else if (activation == Activation::kRelu6) {
    body(std::integral_constant<Activation, Activation::kRelu6>());
  } else {
    body(std::integral_constant<Activation, Activation::kNone>());
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nasengine
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
