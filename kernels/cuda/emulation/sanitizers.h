// What the emulation tells AddressSanitizer and ThreadSanitizer; nothing in builds without them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace nasengine::cuda::emulation {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kRacesAreWatched = true;
#else
inline constexpr bool kRacesAreWatched = false;
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr std::size_t kStackBytes = std::size_t{256} << 10;
#else
inline constexpr std::size_t kStackBytes = std::size_t{64} << 10;
#endif

// While one lives, what the thread reads and writes is the emulation's own, no kernel's.
class [[maybe_unused]] Unwatched {
 public:
#if defined(__SANITIZE_THREAD__)
  Unwatched() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unwatched() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  Unwatched() = default;
  ~Unwatched() = default;
#endif
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

// What happened before a Release happens before whatever follows an Acquire of the same address.
inline void Release([[maybe_unused]] void* at) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(at);
#endif
}
inline void Acquire([[maybe_unused]] void* at) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(at);
#endif
}

inline void Poison([[maybe_unused]] const void* from, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(from, bytes);
#endif
}
inline void Unpoison([[maybe_unused]] const void* from, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(from, bytes);
#endif
}

// The order that waiting for each other makes: what a thread did before it arrived, all see after
// they depart. A thread may arrive anew while others have not yet departed from the time before,
// and these must not see what it did in between: hence two addresses by turns.
class Meeting {
 public:
  // For another block, whose threads have seen nothing of those before.
  void Clear() {
    if constexpr (kRacesAreWatched) at_ = std::make_unique<std::uint64_t[]>(2);
  }
  // Where the thread is to depart from.
  void* Arrive() {
    void* at = kRacesAreWatched ? &at_[passed_ % 2] : nullptr;
    Release(at);
    return at;
  }
  // All have arrived.
  void Pass() { ++passed_; }

 private:
  std::unique_ptr<std::uint64_t[]> at_;
  std::size_t passed_ = 0;
};

}  // namespace nasengine::cuda::emulation
