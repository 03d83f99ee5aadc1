// A tensor that takes part in differentiation: its value, and the slot its gradient flows into.
//
// The two are separate on purpose: a backward function captures the slot, and the value only if it
// reads it, so that a value nobody reads again dies at once.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace nasengine {

class GradientSlot {
 public:
  // Adds `gradient` to what has arrived. The first arrival is kept as it is, sharing its storage; a
  // later one is added in place where no one else holds the sum, else into a new tensor.
  void Accumulate(Context& context, Tensor gradient);
  // The sum, leaving the slot empty; undefined when nothing arrived.
  Tensor Take() { return std::exchange(gradient_, Tensor()); }
  bool empty() const { return !gradient_.defined(); }

 private:
  Tensor gradient_;
};

class Variable {
 public:
  Variable() = default;
  // A constant: no gradient flows into it.
  explicit Variable(Tensor value) : value_(std::move(value)) {}
  // A value whose gradient is wanted.
  static Variable WithGradient(Tensor value) {
    Variable variable(std::move(value));
    variable.slot_ = std::make_shared<GradientSlot>();
    return variable;
  }

  const Tensor& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  bool wants_gradient() const { return slot_ != nullptr; }
  // Null for a constant.
  const std::shared_ptr<GradientSlot>& slot() const { return slot_; }

 private:
  Tensor value_;
  std::shared_ptr<GradientSlot> slot_;
};

}  // namespace nasengine
