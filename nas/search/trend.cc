// SPDX-License-Identifier: MIT
#include "nas/search/trend.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nasengine {

void Trend::Add(double y) {
  const auto n = static_cast<double>(count_);
  const double off = y - mean_;
  ++count_;
  mean_ += off / (n + 1);
  squares_ += off * (y - mean_);
  // The index n lies n / 2 above the mean of 0, 1, ..., n.
  products_ += off * n / 2;
}

double Trend::Significance() const {
  if (count_ < 3) return 0;
  const auto n = static_cast<double>(count_);
  const double index_squares = n * (n * n - 1) / 12;
  const double slope = products_ / index_squares;
  const double residual = std::max(0.0, squares_ - slope * products_);
  const double error = std::sqrt(residual / (n - 2) / index_squares);
  if (error > 0) return slope / error;
  return slope == 0 ? 0 : std::copysign(std::numeric_limits<double>::infinity(), slope);
}

void RecentMean::Add(double y) {
  ++count_;
  mean_ += std::max(weight_, 1 / static_cast<double>(count_)) * (y - mean_);
}

}  // namespace nasengine
