// A batch in parts, for steps that do not fit into memory at once.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/tensor.h"

namespace nasengine {

struct BatchPart {
  Tensor images;  // both share the batch's memory
  Tensor labels;
  std::int64_t index = 0;  // of `count` parts
  std::int64_t count = 1;
  double share = 1;  // of the batch's images
};

// The fewest parts of at most `micro_batch` images, as equal as can be; with 0, the batch itself.
std::vector<BatchPart> PartsOf(const Tensor& images, const Tensor& labels,
                               std::int64_t micro_batch);

}  // namespace nasengine
