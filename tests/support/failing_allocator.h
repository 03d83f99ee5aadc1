// An allocator that runs out of memory on demand, to prove that a failure leaves nothing behind.
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>

#include "kernels/core/allocator.h"
#include "kernels/core/error.h"

namespace nasengine {

// Forwards to `inner`, which outlives it, except for allocation number `fail_at` (counted from 1),
// which throws kOutOfMemory. Allocations after that one succeed again. 0 never fails.
class FailingAllocator final : public Allocator {
 public:
  FailingAllocator(Allocator& inner, int fail_at) : inner_(inner), fail_at_(fail_at) {}

  void* Allocate(std::size_t bytes, MemoryCategory category) override {
    const int number = ++allocations_;
    if (number == fail_at_) {
      Throw(ErrorCode::kOutOfMemory, "allocation ", number, " of ", bytes, " bytes for ",
            Name(category), " fails by request");
    }
    return inner_.Allocate(bytes, category);
  }
  void Free(void* data) noexcept override { inner_.Free(data); }

  // Calls of Allocate so far, the failed one included.
  int allocations() const { return allocations_; }

 private:
  Allocator& inner_;
  const int fail_at_;
  std::atomic<int> allocations_ = 0;
};

}  // namespace nasengine
