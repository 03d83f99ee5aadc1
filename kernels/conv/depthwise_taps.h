// The definition of depthwise convolution as a walk over its taps, for code that values plainness
// over speed.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/conv_geometry.h"

namespace nasengine {

// Calls visit(output, input, tap) for every tap of every output pixel whose input lies inside the
// image; the three are indices of channel 0.
template <class Visit>
void ForEachTap(const ConvGeometry& g, const Visit& visit) {
  for (std::int64_t pixel = 0; pixel < g.n * g.out_h() * g.out_w(); ++pixel) {
    const std::int64_t ow = pixel % g.out_w();
    const std::int64_t oh = pixel / g.out_w() % g.out_h();
    const std::int64_t n = pixel / g.out_w() / g.out_h();
    for (std::int64_t kh = 0; kh < g.kernel; ++kh) {
      const std::int64_t ih = oh * g.stride - g.pad + kh;
      if (ih < 0 || ih >= g.h) continue;
      for (std::int64_t kw = 0; kw < g.kernel; ++kw) {
        const std::int64_t iw = ow * g.stride - g.pad + kw;
        if (iw < 0 || iw >= g.w) continue;
        visit(pixel * g.c_in, ((n * g.h + ih) * g.w + iw) * g.c_in, (kh * g.kernel + kw) * g.c_in);
      }
    }
  }
}

}  // namespace nasengine
