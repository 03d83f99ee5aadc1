// A fully connected layer with bias.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "autograd/module/module.h"

namespace nasengine {

class LinearLayer final : public Module {
 public:
  // Adds `<prefix>weight` (out, in; uniform +-1 / sqrt(in)) and `<prefix>bias` (out; zeros, no
  // decay) to the parameters.
  LinearLayer(std::int64_t in, std::int64_t out, const std::string& prefix, ModuleSlabs slabs);

  // (n, in) -> (n, out)
  Variable Forward(Tape& tape, const Variable& x, const ForwardOptions& options) const override;

 private:
  Parameter weight_;
  Parameter bias_;
};

}  // namespace nasengine
