// Measuring how much rounding an operator's arguments allow: the body of Op::ErrorScale.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "kernels/core/bfloat16.h"
#include "kernels/core/tensor.h"

namespace nasengine {

// Element i of an f32, f64 or bf16 view.
inline double ValueAt(ConstView view, std::int64_t i) {
  if (view.dtype == DType::kBf16) return Widen(view.As<BFloat16>()[i]);
  return view.dtype == DType::kF64 ? view.As<double>()[i] : double{view.As<float>()[i]};
}

// Largest over an output's elements of sqrt(K) * RMS(terms), terms being what sums to the element.
// The largest, because outputs of real networks have channels of very different size; and never
// less than |sum of terms|, because the sum itself is rounded when it is stored, which outweighs
// the additions where K same-signed terms are averaged.
class TermScale {
 public:
  void Add(double term) {
    sum_ += term;
    squares_ += term * term;
  }
  void EndElement() {
    largest_ = std::max({largest_, std::sqrt(squares_), std::abs(sum_)});
    sum_ = 0;
    squares_ = 0;
  }
  void Element(std::initializer_list<double> terms) {
    for (double term : terms) Add(term);
    EndElement();
  }
  double value() const { return largest_; }

 private:
  double sum_ = 0;
  double squares_ = 0;
  double largest_ = 0;
};

}  // namespace nasengine
