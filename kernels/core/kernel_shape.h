// What the speed of a kernel depends on, in numbers: by them the kernel policy tells one call of an
// operator from another.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "kernels/core/tensor.h"

namespace nasengine {

// A number that an operator does not have stays as it is here, equal in all of its shapes.
struct KernelShape {
  DType dtype = DType::kF32;  // of the activations
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t width = 1;  // of the input's map
  std::int64_t rows = 1;   // of the input as a matrix: n * h * w
  std::int64_t c_in = 1;
  std::int64_t c_out = 1;
  friend bool operator==(const KernelShape&, const KernelShape&) = default;
};

}  // namespace nasengine
