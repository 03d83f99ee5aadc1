// Which kernels ran, on what, and when: the notes of whoever looks for where a step's time goes.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace nasengine {

// One run of one kernel.
struct KernelRun {
  std::string op{};              // e.g. "depthwise_conv_forward"
  std::string implementation{};  // e.g. "highway"
  std::string shape{};           // of the window, of the first tensor, or of a list in one line
  // Of every tensor that the kernel was given, once each: what it must move at least, but that a
  // tensor updated in place is both read and written.
  std::int64_t bytes = 0;
  std::chrono::steady_clock::time_point begin{};
  std::chrono::steady_clock::time_point end{};
};

// A piece of work and the kernels that it ran, one after another.
struct RecordedWork {
  std::chrono::steady_clock::time_point begin{};
  std::chrono::steady_clock::time_point end{};
  std::vector<KernelRun> runs{};
};

// Collects runs. A kernel that runs others counts as a whole, so that no time counts twice. Thread
// rule: that of the context whose kernels report to it.
class KernelRecorder {
 public:
  using Clock = std::chrono::steady_clock;

  explicit KernelRecorder(std::function<Clock::time_point()> now = Clock::now)
      : now_(std::move(now)) {}

  // Runs `kernel` and notes it as the KernelRun that `describe` returns, with its times.
  template <class Kernel, class Describe>
  void Note(const Kernel& kernel, const Describe& describe) {
    if (inside_kernel_) return kernel();
    inside_kernel_ = true;
    const Clock::time_point begin = now_();
    kernel();
    const Clock::time_point end = now_();
    inside_kernel_ = false;
    KernelRun run = describe();
    run.begin = begin;
    run.end = end;
    runs_.push_back(std::move(run));
  }

  // Does `work`; returns what has been noted meanwhile and forgets it.
  RecordedWork Record(const std::function<void()>& work);

 private:
  std::function<Clock::time_point()> now_;
  bool inside_kernel_ = false;
  std::vector<KernelRun> runs_;
};

}  // namespace nasengine
