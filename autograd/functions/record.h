// What all differentiable functions share: when one is recorded, under which variable its result
// goes on, and how a single number comes back.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "autograd/functions/buffers.h"
#include "autograd/functions/functions.h"
#include "kernels/conv/conv_geometry.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine::internal {

// Whether a backward pass would have anything to do for a function of `x` (and of parameters).
inline bool Records(const Tape& tape, const Variable& x, bool has_parameters = false) {
  return tape.recording() && (x.wants_gradient() || (has_parameters && tape.parameter_gradients()));
}

// The value of a tensor of one f32.
inline double ScalarOf(Context& context, const Tensor& scalar) {
  float value = 0;
  context.backend().CopyToHost(&value, scalar.data(), sizeof(value));
  return double{value};
}

inline void CheckImage(const char* function, const Variable& x) {
  NAS_CHECK(x.value().defined() && x.shape().rank() == 4, function, ": x is ",
            x.value().defined() ? ToString(x.shape()) : "undefined", ", expected (n, h, w, c)");
}

// The geometry of `window` over the image x. Throws kInvalidArgument when no output is left.
inline ConvGeometry GeometryOf(const char* function, const Variable& x, std::int64_t c_out,
                               const Window& window) {
  const Shape& s = x.shape();
  NAS_CHECK(window.kernel >= 1 && window.stride >= 1 && window.pad >= 0 &&
                window.pad < window.kernel && s[1] + 2 * window.pad >= window.kernel &&
                s[2] + 2 * window.pad >= window.kernel,
            function, ": a window of ", window.kernel, ", stride ", window.stride, ", padding ",
            window.pad, " does not fit x, which is ", ToString(s));
  return {.n = s[0],
          .h = s[1],
          .w = s[2],
          .c_in = s[3],
          .c_out = c_out,
          .kernel = window.kernel,
          .stride = window.stride,
          .pad = window.pad};
}

inline Shape OutputShape(const ConvGeometry& geometry) {
  return {geometry.n, geometry.out_h(), geometry.out_w(), geometry.c_out};
}

}  // namespace nasengine::internal
