// Ctrl-C and SIGTERM: the first asks the run to stop after its present step, a second ends the
// program at once.
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <csignal>

namespace nasengine {

// Takes over both signals as long as it lives; one at a time. A signal handler reaches nothing but
// static storage, so the flag behind it is the one variable of the program that is.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  // True from the first signal on; valid for the whole program.
  const std::atomic<bool>* flag() const;
  bool interrupted() const { return flag()->load(std::memory_order_relaxed); }

 private:
  struct sigaction old_interrupt_;
  struct sigaction old_terminate_;
};

}  // namespace nasengine
