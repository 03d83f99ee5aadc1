// The sizes of a convolution or a pooling window, and the one place where its output size is
// computed.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "kernels/core/kernel_shape.h"
#include "kernels/core/tensor.h"

namespace nasengine {

// Square kernel, equal strides and paddings in both directions, NHWC.
struct ConvGeometry {
  std::int64_t n = 0;
  std::int64_t h = 0;
  std::int64_t w = 0;
  std::int64_t c_in = 0;
  std::int64_t c_out = 0;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t pad = 0;

  std::int64_t out_h() const { return (h + 2 * pad - kernel) / stride + 1; }
  std::int64_t out_w() const { return (w + 2 * pad - kernel) / stride + 1; }
  friend bool operator==(const ConvGeometry&, const ConvGeometry&) = default;
};

// "128x28x28x8->48 k1 s1".
inline std::string ToString(const ConvGeometry& g) {
  return ToString(Shape{g.n, g.h, g.w, g.c_in}) + "->" + std::to_string(g.c_out) + " k" +
         std::to_string(g.kernel) + " s" + std::to_string(g.stride);
}

// By which the kernel policy knows a convolution.
inline KernelShape ShapeOf(const ConvGeometry& g, DType dtype) {
  return {.dtype = dtype,
          .kernel = g.kernel,
          .stride = g.stride,
          .width = g.w,
          .rows = g.n * g.h * g.w,
          .c_in = g.c_in,
          .c_out = g.c_out};
}

}  // namespace nasengine
