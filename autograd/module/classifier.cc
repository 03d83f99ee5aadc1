// SPDX-License-Identifier: MIT
#include "autograd/module/classifier.h"

namespace nasengine {

Classifier::Classifier(std::int64_t c_in, std::int64_t classes, float dropout,
                       const std::string& prefix, ModuleSlabs slabs)
    : dropout_(dropout), linear_(c_in, classes, prefix, slabs) {
  NAS_CHECK(dropout >= 0 && dropout < 1, "classifier ", prefix, ": dropout ", dropout,
            ", expected 0 or more and under 1");
}

Variable Classifier::Forward(Tape& tape, const Variable& x, const ForwardOptions& options) const {
  Variable features = GlobalAvgPool(tape, x);
  if (options.dropout_rng != nullptr) {
    features = Dropout(tape, features, dropout_, *options.dropout_rng, options.step);
  }
  return linear_.Forward(tape, features, options);
}

}  // namespace nasengine
