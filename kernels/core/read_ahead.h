// Memory asked for while something else is computed, so that it has arrived when it is read.
//
// A kernel that alternates between reading a panel and computing with it waits twice: the memory
// for the core and the core for the memory. Asking for the next panel a cache line at a time, from
// inside the loops that compute, lets both work at once. Lines come to the second-level cache: the
// first belongs to the loop that asks.
// SPDX-License-Identifier: MIT
#pragma once

#include <hwy/base.h>

#include <cstdint>

#include "kernels/core/tensor.h"

namespace nasengine {

class ReadAhead {
 public:
  // A walk over some of the lines, kCount more with every call of Ask.
  class Lines {
   public:
    Lines(std::uintptr_t at, std::uintptr_t step) : at_(at), step_(step) {}
    template <int kCount = 1>
    HWY_INLINE void Ask() {
#pragma GCC unroll 16
      for (int i = 0; i < kCount; ++i) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr): past the tensor's end a pointer may not point.
        __builtin_prefetch(reinterpret_cast<const void*>(at_), /*rw=*/0, kSecondLevel);
        at_ += step_;
      }
    }

   private:
    static constexpr int kSecondLevel = 2;

    std::uintptr_t at_;
    std::uintptr_t step_;
  };

  // Rows [begin, end) of a tensor as well, `row` elements each, after what was added before; kMost
  // times at most.
  void AddRows(const ConstView& view, std::int64_t begin, std::int64_t end, std::int64_t row) {
    if (begin >= end) return;
    const auto row_bytes = static_cast<std::uintptr_t>(row * SizeOf(view.dtype));
    const auto data = reinterpret_cast<std::uintptr_t>(view.data);
    ranges_[count_++] = {data + static_cast<std::uintptr_t>(begin) * row_bytes,
                         data + static_cast<std::uintptr_t>(end) * row_bytes};
  }

  // The next `count` lines, some of which may lie behind the last one that was added; once all are
  // taken, one that is in the cache already.
  HWY_INLINE Lines Take(std::int64_t count) {
    while (current_ < count_ && ranges_[current_].at >= ranges_[current_].end) ++current_;
    if (current_ == count_) return {reinterpret_cast<std::uintptr_t>(this), 0};
    const std::uintptr_t at = ranges_[current_].at;
    ranges_[current_].at += kLineBytes * static_cast<std::uintptr_t>(count);
    return {at, kLineBytes};
  }

 private:
  static constexpr std::uintptr_t kLineBytes = 64;
  static constexpr int kMost = 3;
  struct Range {
    std::uintptr_t at = 0;
    std::uintptr_t end = 0;
  };

  Range ranges_[kMost];
  int count_ = 0;
  int current_ = 0;
};

// In the place of a ReadAhead, for loops whose tensors are in the caches already.
struct NothingAhead {
  struct Lines {
    template <int kCount = 1>
    HWY_INLINE void Ask() const {}
  };
  HWY_INLINE Lines Take(std::int64_t /*count*/) const { return {}; }
};

}  // namespace nasengine
