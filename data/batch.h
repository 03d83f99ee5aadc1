// One batch as a network reads it.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "kernels/core/tensor.h"

namespace nasengine {

struct Batch {
  Tensor images;  // (n, h, w, c) f32, normalised
  Tensor labels;  // (n) i32
  std::int64_t epoch = 0;
  std::int64_t index = 0;  // of the batch within its epoch
  std::int64_t size() const { return labels.elements(); }
};

}  // namespace nasengine
