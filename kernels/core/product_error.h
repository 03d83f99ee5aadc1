// How far f32 sums of products may lie from the exact sum: the body of Op::ErrorScale of
// convolutions and matrix products.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/core/error_scale.h"
#include "kernels/core/tensor.h"

namespace nasengine {

// The elements of a view of f32, bf16 or f64 as a matrix of so many columns: the largest mean
// square of a row, and of a column; 0 when there are no elements. The largest, because rows and
// channels of real networks are of very different size, and the outputs made of the largest are
// rounded most.
struct LargestMeanSquares {
  double row = 0;
  double column = 0;
};
inline LargestMeanSquares MeanSquares(ConstView view, std::int64_t columns) {
  LargestMeanSquares largest;
  if (view.empty() || view.elements() == 0) return largest;
  const std::int64_t rows = view.elements() / columns;
  std::vector<double> by_column(static_cast<std::size_t>(columns));
  for (std::int64_t row = 0; row < rows; ++row) {
    double sum = 0;
    for (std::int64_t column = 0; column < columns; ++column) {
      const std::int64_t i = row * columns + column;
      const double value = ValueAt(view, i);
      sum += value * value;
      by_column[static_cast<std::size_t>(column)] += value * value;
    }
    largest.row = std::max(largest.row, sum / static_cast<double>(columns));
  }
  largest.column = *std::ranges::max_element(by_column) / static_cast<double>(rows);
  return largest;
}

// Largest square of an element.
inline double LargestSquare(ConstView view) { return MeanSquares(view, 1).row; }

// The scale for `terms` products of two independent zero-mean tensors with these mean squares,
// added one after the other to a value of mean square `initial`.
//
// A running sum of k such terms is about sqrt(k) * RMS, and every addition rounds it, so that the
// error of one accumulator grows like K, not sqrt(K): its standard deviation is 0.3 * 2^-24 * K *
// RMS, and over 20000 sums it stays under 3.4 * 2^-24 * K * RMS for K = 9 ... 6272. With the
// comparison's 8 * 2^-23 this scale gives at least 4 * 2^-24 * K * RMS; the roots cover the
// rounding of the result itself. A term left out, about RMS, still stands out to K = 10^6.
inline double ProductErrorScale(double terms, double mean_square_a, double mean_square_b,
                                double initial = 0) {
  const double rms = std::sqrt(mean_square_a * mean_square_b);
  return (std::sqrt(terms) + terms / 4) * rms + std::sqrt(initial);
}

}  // namespace nasengine
