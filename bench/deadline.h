// When a benchmark has to come to its end: on a machine that is lent for minutes, rows that are
// left out and named are worth more than a run that is cut off.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <limits>

namespace nasengine {

class Deadline {
 public:
  // Never.
  Deadline() = default;
  explicit Deadline(double seconds) : seconds_(seconds) {}

  bool comes() const { return seconds_ < std::numeric_limits<double>::infinity(); }
  bool passed() const { return elapsed_s() >= seconds_; }
  // One of the same start that comes at a share of the time.
  Deadline At(double share) const {
    Deadline earlier = *this;
    earlier.seconds_ = share * seconds_;
    return earlier;
  }
  double elapsed_s() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double seconds_ = std::numeric_limits<double>::infinity();
};

}  // namespace nasengine
