// Products of rows with weights that were packed once, shared among threads: pointwise convolutions
// and the projection of a block at inference.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "kernels/core/activation.h"

namespace nasengine {

// y = activation(a * packed + bias + addend)
struct PackedProduct {
  const float* a = nullptr;  // (rows, depth), rows a_step apart
  std::int64_t a_step = 0;
  std::int64_t rows = 0;
  std::int64_t depth = 0;
  const float* packed = nullptr;  // (depth, columns), by mbconv::Pack
  std::int64_t columns = 0;
  const float* bias = nullptr;    // (columns)
  const float* addend = nullptr;  // (rows, columns), may be null
  Activation activation = Activation::kNone;
  float* y = nullptr;  // (rows, columns)
};

// Part `part` of `parts` equal ones of the work: columns first, so that each thread reads few of
// the weights, and rows within the columns where two threads meet.
void RunPackedProduct(const PackedProduct& product, std::int64_t part, std::int64_t parts);

}  // namespace nasengine
