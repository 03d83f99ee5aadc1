// How far f32 sums of products may lie from the exact sum: the body of Op::ErrorScale of
// convolutions and matrix products.
// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "kernels/core/tensor.h"

namespace nasengine {

// Mean of the squares of all elements of an f32 or f64 view, 0 when there are none.
inline double MeanSquare(ConstView view) {
  if (view.empty() || view.elements() == 0) return 0;
  double sum = 0;
  for (std::int64_t i = 0; i < view.elements(); ++i) {
    const double value =
        view.dtype == DType::kF64 ? view.As<double>()[i] : double{view.As<float>()[i]};
    sum += value * value;
  }
  return sum / static_cast<double>(view.elements());
}

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
