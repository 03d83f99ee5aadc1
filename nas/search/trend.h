// Where a row of numbers is going and where it stands, from running sums alone.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace nasengine {

// A least-squares line through (0, y0), (1, y1), ..., from running sums.
class Trend {
 public:
  void Add(double y);
  std::int64_t count() const { return count_; }
  double mean() const { return mean_; }
  // Slope over its standard error: how surely the line falls (below 0) or rises. 0 for fewer than
  // three points; infinite, or 0, for points exactly on a line.
  double Significance() const;

 private:
  // Of y and of y with the index, about their means, which keeps them exact over long searches.
  std::int64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
  double products_ = 0;
};

// Exponential mean of about the last so many points, at least one; the plain mean while there are
// fewer than half of them.
class RecentMean {
 public:
  explicit RecentMean(std::int64_t points) : weight_(2.0 / static_cast<double>(points + 1)) {}
  void Add(double y);
  double mean() const { return mean_; }

 private:
  double weight_;  // the mean age of a point is that of the last `points` weighed alike
  std::int64_t count_ = 0;
  double mean_ = 0;
};

}  // namespace nasengine
