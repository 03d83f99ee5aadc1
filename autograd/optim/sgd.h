// Stochastic gradient descent with momentum on the slabs that a step has touched.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "autograd/parameter_slab.h"

namespace nasengine {

struct SgdOptions {
  float momentum = 0.9f;
  bool nesterov = true;
  float weight_decay = 0;
  // False: parameters added with decay = false are spared (batch norms, biases).
  bool decay_all = true;
};

class SgdOptimizer {
 public:
  explicit SgdOptimizer(const SgdOptions& options) : options_(options) {}

  // One step on every slab that has gradients, which are dropped after it, and on its working copy;
  // a parameter of such a slab whose gradient was not written has gradient zero. Slabs without
  // gradients are left bit for bit as they are: weights and momentum, which lives in the slab.
  // Throws kInvalidArgument when a slab comes twice.
  void Step(Context& context, std::span<ParameterSlab* const> slabs, float lr) const;

  const SgdOptions& options() const { return options_; }

 private:
  SgdOptions options_;
};

}  // namespace nasengine
