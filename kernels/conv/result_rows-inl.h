// Rows of a large bf16 result, put together so that they can be written past the caches. Compiled
// once per instruction set.
// SPDX-License-Identifier: MIT
#if defined(NASENGINE_KERNELS_CONV_RESULT_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_KERNELS_CONV_RESULT_ROWS_INL_H_
#undef NASENGINE_KERNELS_CONV_RESULT_ROWS_INL_H_
#else
#define NASENGINE_KERNELS_CONV_RESULT_ROWS_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstdint>
#include <type_traits>

#include "kernels/core/streaming.h"
#include "kernels/core/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Where the rows of a result are put together: in the result itself or, where it is of bf16 and
// leaves the caches, in a buffer. From there they are streamed as whole cache lines; a vector of
// bf16 is half of one, which would cross memory twice.
template <class Element>
class ResultRows {
 public:
  // `buffer` is for as many rows, of `row` elements each, as are put together.
  ResultRows(const View& result, std::int64_t row, float* buffer)
      : result_(static_cast<Element*>(result.data)), row_(row) {
    if (std::is_same_v<Element, BFloat16> && StreamsRows(result, row)) {
      buffer_ = reinterpret_cast<Element*>(buffer);
    }
  }
  bool streams() const { return buffer_ != nullptr; }

  // Where row `first` of the result and those after it are to be written.
  Element* Begin(std::int64_t first) const { return streams() ? buffer_ : result_ + first * row_; }
  // That many rows have been written there.
  HWY_INLINE void End(std::int64_t first, std::int64_t rows) const {
    if (!streams()) return;
    const hn::ScalableTag<std::uint16_t> d;
    const auto* from = reinterpret_cast<const std::uint16_t*>(buffer_);
    auto* to = reinterpret_cast<std::uint16_t*>(result_ + first * row_);
    const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
    for (std::int64_t i = 0; i < rows * row_; i += lanes) {
      hn::Stream(hn::Load(d, from + i), d, to + i);
    }
  }

 private:
  Element* result_;
  std::int64_t row_;
  Element* buffer_ = nullptr;
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nasengine
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
