// Walking a range of numbers in vectors of the target that Highway compiles for, and its rest one
// by one. Included by *_highway.cc after foreach_target.h.
// SPDX-License-Identifier: MIT
#if defined(NASENGINE_FOR_EACH_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_FOR_EACH_VECTOR_INL_H_
#undef NASENGINE_FOR_EACH_VECTOR_INL_H_
#else
#define NASENGINE_FOR_EACH_VECTOR_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "kernels/core/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {

// Calls body(lanes, i) with full vectors while they fit into [begin, end), then with one lane.
template <class Body>
HWY_INLINE void ForEachVector(std::int64_t begin, std::int64_t end, const Body& body) {
  const hwy::HWY_NAMESPACE::ScalableTag<float> full;
  const auto lanes = static_cast<std::int64_t>(hwy::HWY_NAMESPACE::Lanes(full));
  std::int64_t i = begin;
  for (; i + lanes <= end; i += lanes) body(FullLanes<decltype(full)>(), i);
  using Single = hwy::HWY_NAMESPACE::CappedTag<float, 1>;
  for (; i < end; ++i) body(FullLanes<Single>(), i);
}

}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // NASENGINE_FOR_EACH_VECTOR_INL_H_
