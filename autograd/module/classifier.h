// The end of a network: global average pool, dropout, linear.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "autograd/module/linear_layer.h"
#include "autograd/module/module.h"

namespace nasengine {

class Classifier final : public Module {
 public:
  // Adds the parameters of a LinearLayer. `dropout` in [0, 1) acts where ForwardOptions brings a
  // stream.
  Classifier(std::int64_t c_in, std::int64_t classes, float dropout, const std::string& prefix,
             ModuleSlabs slabs);

  // (n, h, w, c_in) -> (n, classes)
  Variable Forward(Tape& tape, const Variable& x, const ForwardOptions& options) const override;

 private:
  float dropout_;
  LinearLayer linear_;
};

}  // namespace nasengine
