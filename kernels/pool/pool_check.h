// Checks of the pooling operators' arguments and the windows that their implementations walk over.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/pool/pool.h"

namespace nasengine {

// Throw kInvalidArgument unless shapes follow the geometry, c_in == c_out, every window reaches
// into the image (pad < kernel <= size + 2 pad) and all views are of one type, f32, bf16 or f64.
void CheckArgs(const AvgPoolForward::Args& args);
void CheckArgs(const AvgPoolBackward::Args& args);
void CheckArgs(const MaxPoolForward::Args& args);
void CheckArgs(const MaxPoolBackward::Args& args);
void CheckArgs(const GlobalAvgPoolForward::Args& args);
void CheckArgs(const GlobalAvgPoolBackward::Args& args);

// Positions begin .. end - 1 along one axis.
struct Span {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t size() const { return end - begin; }
};

// Inputs inside the image that output `out` sees along an axis of `size` inputs.
inline Span WindowOf(const ConvGeometry& g, std::int64_t out, std::int64_t size) {
  const std::int64_t first = out * g.stride - g.pad;
  return {std::max<std::int64_t>(first, 0), std::min(first + g.kernel, size)};
}

// Outputs whose window holds input `in` along an axis of `out_size` outputs; empty where the stride
// skips the input.
inline Span OutputsOver(const ConvGeometry& g, std::int64_t in, std::int64_t out_size) {
  const std::int64_t past_first = in + g.pad - g.kernel;
  const std::int64_t begin = past_first < 0 ? 0 : past_first / g.stride + 1;
  return {begin, std::max(begin, std::min((in + g.pad) / g.stride + 1, out_size))};
}

}  // namespace nasengine
