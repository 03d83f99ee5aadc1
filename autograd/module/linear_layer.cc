// SPDX-License-Identifier: MIT
#include "autograd/module/linear_layer.h"

namespace nasengine {

LinearLayer::LinearLayer(std::int64_t in, std::int64_t out, const std::string& prefix,
                         ModuleSlabs slabs) {
  NAS_CHECK(in >= 1 && out >= 1, "linear ", prefix, ": ", in, " to ", out,
            " features, expected 1 or more");
  ParameterSlab& parameters = slabs.parameters;
  weight_ = {&parameters, parameters.Add({.name = prefix + "weight",
                                          .shape = {out, in},
                                          .initializer = Initializer::kUniformFanIn,
                                          .fan = in})};
  bias_ = {&parameters, parameters.Add({.name = prefix + "bias", .shape = {out}, .decay = false})};
}

Variable LinearLayer::Forward(Tape& tape, const Variable& x, const ForwardOptions&) const {
  return Linear(tape, x, weight_, bias_);
}

}  // namespace nasengine
