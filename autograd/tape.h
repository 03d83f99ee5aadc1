// The record of a forward pass, played backwards.
//
// A tape is a parameter of everything differentiable. Nodes are popped in the reverse order of
// recording - no sorting, no recursion - and what a node saved is released as it is popped.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "autograd/variable.h"

namespace nasengine {

// Whose gradients a backward pass forms. An architecture step wants those of the activations only,
// and then nothing is saved for the weights' sake.
enum class GradientsOf { kNothing, kActivations, kActivationsAndParameters };

struct Node {
  const char* name = "";
  // All that backward reads of the forward pass, visible here and nowhere else.
  std::vector<Tensor> saved{};
  // Takes the gradient from the output's slot, adds to the inputs' slots and the parameters'
  // gradients. It may let go of a saved tensor as soon as it has read it.
  std::function<void(Context&, std::span<Tensor> saved)> backward{};
};

class Tape {
 public:
  Tape(Context& context, GradientsOf gradients) : context_(context), gradients_(gradients) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  Context& context() const { return context_; }
  bool recording() const { return gradients_ != GradientsOf::kNothing; }
  bool parameter_gradients() const { return gradients_ == GradientsOf::kActivationsAndParameters; }

  // The variable for an output computed on this tape: with a slot while recording.
  Variable Output(Tensor value) const {
    return recording() ? Variable::WithGradient(std::move(value)) : Variable(std::move(value));
  }
  // Throws kInvalidArgument on a tape that does not record.
  void Record(Node node);

  // Starts from d loss / d loss = `seed` and pops every node; the tape is empty afterwards, also
  // when a node throws. Throws kInvalidArgument when `loss` is not one f32 (or f64) or was not
  // computed on this tape.
  void Backward(const Variable& loss, float seed = 1);

  std::int64_t nodes() const { return static_cast<std::int64_t>(nodes_.size()); }
  // Bytes of the tensors saved, one storage counted once.
  std::int64_t saved_bytes() const;

 private:
  Context& context_;
  GradientsOf gradients_;
  std::vector<Node> nodes_;
};

}  // namespace nasengine
