// The building block of every network here: convolution without bias, batch norm, activation.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "autograd/module/module.h"

namespace nasengine {

enum class ConvKind { kDense, kPointwise, kDepthwise };

struct ConvBnActOptions {
  ConvKind kind = ConvKind::kDense;
  int kernel = 1;  // odd; padding is kernel / 2; kPointwise: 1
  int stride = 1;  // kPointwise: 1
  std::int64_t c_in = 0;
  std::int64_t c_out = 0;  // kDepthwise: c_in
  Activation activation = Activation::kNone;
  float bn_epsilon = 1e-3f;
  float bn_momentum = 0.1f;
  // A depthwise convolution starts by the fan-out of one of its groups, kernel^2, not of all.
  bool fan_out_per_group = false;
  // The batch norm's scale starts at 0 instead of 1, and with it all that the layer gives.
  bool zero_scale = false;
};

class ConvBnAct final : public Module {
 public:
  // Adds `<prefix>weight` (normal by fan-out, kernel^2 * c_out), `<prefix>gamma` (ones, no decay)
  // and `<prefix>beta` (zeros, no decay) to the parameters, `<prefix>running_mean` (zeros) and
  // `<prefix>running_var` (ones) to the buffers. Throws kInvalidArgument on options that contradict
  // each other.
  ConvBnAct(const ConvBnActOptions& options, const std::string& prefix, ModuleSlabs slabs);

  // (n, h, w, c_in) -> (n, ceil(h / stride), ceil(w / stride), c_out)
  Variable Forward(Tape& tape, const Variable& x, const ForwardOptions& options) const override;

  // Its parameters, for a function that computes several such layers at once.
  ConvNorm conv_norm() const;

 private:
  ConvBnActOptions options_;
  Parameter weight_;
  Parameter gamma_;
  Parameter beta_;
  Parameter running_mean_;
  Parameter running_var_;
};

}  // namespace nasengine
