// Adam for small vectors on the host, such as a block's architecture parameters: each has its own
// moments and its own step counter, since not every vector moves in every step.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/context.h"

namespace nasengine {

struct AdamOptions {
  float beta1 = 0;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 0;
};

// What Adam remembers of one vector; empty before its first step. `m` stays empty for beta1 = 0.
struct AdamState {
  std::vector<float> m;
  std::vector<float> v;
  std::int64_t step = 0;
};

class AdamOptimizer {
 public:
  explicit AdamOptimizer(const AdamOptions& options) : options_(options) {}

  // Moves `w` against the gradient `dw`: on the host, whatever the context's device, since the
  // vectors are the host's. Throws kInvalidArgument when the sizes differ.
  void Step(Context& context, std::span<float> w, std::span<const float> dw, float lr,
            AdamState& state) const;

  const AdamOptions& options() const { return options_; }

 private:
  AdamOptions options_;
};

}  // namespace nasengine
