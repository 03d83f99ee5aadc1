// The second stage of a gradient's reduction: partial sums, added in a fixed order.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "kernels/core/context.h"

namespace nasengine::cuda {

// result[i] = (accumulate ? result[i] : 0) + sum of partial (parts, elements) over the parts.
void SumParts(Context& context, const float* partial, std::int64_t parts, std::int64_t elements,
              bool accumulate, float* result);

// The same for a result (rows, columns) whose parts lie turned, (parts, columns, rows).
void SumTurnedParts(Context& context, const float* partial, std::int64_t parts, std::int64_t rows,
                    std::int64_t columns, bool accumulate, float* result);

}  // namespace nasengine::cuda
