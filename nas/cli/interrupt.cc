// SPDX-License-Identifier: MIT
#include "nas/cli/interrupt.h"

#include <unistd.h>

#include <cstring>

namespace nasengine {
namespace {

constexpr int kSignalExitBase = 128;

std::atomic<bool> interrupt_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");

void OnSignal(int signal) {
  if (interrupt_requested.exchange(true)) ::_exit(kSignalExitBase + signal);
  constexpr char kMessage[] =
      "\nstopping after this step, once what is known is written; again to stop at once\n";
  // Nothing can be done where stderr is gone.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  interrupt_requested = false;
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_interrupt_);
  sigaction(SIGTERM, &action, &old_terminate_);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &old_interrupt_, nullptr);
  sigaction(SIGTERM, &old_terminate_, nullptr);
}

const std::atomic<bool>* InterruptGuard::flag() const { return &interrupt_requested; }

}  // namespace nasengine
