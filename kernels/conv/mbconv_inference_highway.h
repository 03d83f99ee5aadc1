// The fused MBConv at inference behind its operator, its work cut into strips of output rows and
// slices of expanded channels for whoever owns the threads.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/conv/mbconv_highway.h"
#include "kernels/core/activation.h"

namespace nasengine::mbconv {

struct InferenceJob {
  DepthwiseSizes sizes;
  std::int64_t c_in = 0;
  Activation activation = Activation::kNone;
  const float* x = nullptr;
  const float* expand = nullptr;  // packed slice after slice; null: no expansion
  const float* expand_bias = nullptr;
  const float* taps = nullptr;
  const float* depthwise_bias = nullptr;
  std::int64_t slices = 1;
  // Output rows that are projected together: a strip of sizes.step(), or the whole map.
  std::int64_t rows = 0;

  // Channels that a strip's window holds: with several strips all of them, since the next strip
  // goes on where this one ended; else those of one panel of the expansion at a time.
  bool keeps_window() const { return rows < sizes.out_h; }
  std::int64_t window_channels() const {
    constexpr std::int64_t kMostOfAPanel = 3 * kGroup;
    return keeps_window() ? sizes.c : std::min(sizes.c, kMostOfAPanel);
  }
  std::int64_t window_floats() const {
    return sizes.in_rows() * sizes.in_columns() * Padded(window_channels());
  }
  // Floats from a pixel of the strip that is about to be projected to the next.
  std::int64_t e2_step() const { return Padded(sizes.c); }
  std::int64_t e2_floats() const { return rows * sizes.out_w * e2_step(); }
  // The first expanded channel of a slice; slices are whole groups.
  std::int64_t SliceBegin(std::int64_t slice) const {
    const std::int64_t groups = Padded(sizes.c) / kGroup;
    return std::min(sizes.c, groups * slice / slices * kGroup);
  }
};

// Output rows [begin, end) of one image.
struct Strip {
  std::int64_t image = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  // Whether its window is begun anew, rather than holding what the strip before has read.
  bool first = true;
};

// Expands, convolves and activates the channels of one slice for a strip, into e2 (rows * out_w,
// e2_step).
void ConvolveStrip(const InferenceJob& job, const Strip& strip, std::int64_t slice, float* window,
                   float* e2);

}  // namespace nasengine::mbconv
