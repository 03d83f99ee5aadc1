// A layer with parameters of its own.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

#include "autograd/functions/functions.h"

namespace nasengine {

// What a forward pass is for; an argument, never state of the module.
struct ForwardOptions {
  NormMode norm = NormMode::kBatch;
  // Momentum of the running statistics in place of the layers' own, e.g. 1/n for a plain average.
  std::optional<float> norm_momentum = std::nullopt;
  // Of inverted bottlenecks.
  Recompute recompute = Recompute::kNothing;
  // Null: no dropout.
  const Rng* dropout_rng = nullptr;
  std::uint64_t step = 0;

  ForwardOptions With(Recompute what) const {
    ForwardOptions options = *this;
    options.recompute = what;
    return options;
  }
};

class Module {
 public:
  virtual ~Module() = default;
  virtual Variable Forward(Tape& tape, const Variable& x, const ForwardOptions& options) const = 0;
  // The inner product of dy with what Forward gives for x. Nothing is recorded and no running
  // statistics move. Here by Forward itself; a module that need not write its result for that
  // overrides it.
  virtual double ForwardInnerProduct(Context& context, const Tensor& x, const Tensor& dy,
                                     const ForwardOptions& options) const;
};

// Where a module's constructor puts its parameters and its running statistics; names get `prefix`.
struct ModuleSlabs {
  ParameterSlab& parameters;
  ParameterSlab& buffers;
};

}  // namespace nasengine
