// Adam for the architecture parameters of a supernet, with a step counter for every gate.
//
// With beta1 = 0 and no weight decay, as published, an alpha whose gradient is 0 does not move, and
// a gate without a step does not even age: what the algorithms leave alone truly rests.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <vector>

#include "autograd/optim/adam.h"
#include "nas/supernet/binary_gate.h"

namespace nasengine {

class AlphaOptimizer {
 public:
  // `gates` must outlive the optimiser and keep their number.
  AlphaOptimizer(std::vector<BinaryGate>& gates, double lr, const AdamOptions& adam);

  // Moves the alphas of gate `gate` against `gradient`, one number a candidate.
  void Step(Context& context, std::size_t gate, std::span<const double> gradient);

 private:
  std::vector<BinaryGate>& gates_;
  AdamOptimizer adam_;
  float lr_;
  std::vector<AdamState> states_;
};

}  // namespace nasengine
