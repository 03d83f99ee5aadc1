// Median and median absolute deviation.
// SPDX-License-Identifier: MIT
#include "kernels/core/timer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace nasengine {
namespace {

// Of a non-empty list, which it reorders; the mean of the middle two when their number is even.
double MedianInPlace(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

}  // namespace

RobustSummary Summarize(std::span<const double> samples) {
  if (samples.empty()) return {};
  RobustSummary summary;
  summary.count = static_cast<int>(samples.size());
  summary.min = *std::min_element(samples.begin(), samples.end());
  std::vector<double> values(samples.begin(), samples.end());
  summary.median = MedianInPlace(values);
  for (double& value : values) value = std::abs(value - summary.median);
  summary.mad = MedianInPlace(values);
  return summary;
}

}  // namespace nasengine
