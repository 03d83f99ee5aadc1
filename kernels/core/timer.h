// Wall-clock timing and robust summaries, shared by the latency profiler and the benchmarks.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <span>
#include <vector>

namespace nasengine {

class Timer {
 public:
  Timer() : start_(Clock::now()) {}
  void Restart() { start_ = Clock::now(); }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  double ms() const { return seconds() * 1e3; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_;
};

struct RobustSummary {
  double median = 0;
  double mad = 0;  // median absolute deviation from the median
  double min = 0;
  int count = 0;
};

// Zero count for no samples.
RobustSummary Summarize(std::span<const double> samples);

}  // namespace nasengine
