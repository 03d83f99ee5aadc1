// Our steps in a process of their own, taken on request as bench/peers/pytorch_step.py takes
// PyTorch's, so that the memory of both is measured in one way.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/core/tensor.h"

namespace nasengine {

// A weight step to be served.
struct ServedStep {
  std::string space;   // a name or a file
  int candidates = 1;  // of a block, the first of its list
  std::int64_t batch = 1;
  DType dtype = DType::kF32;
  std::vector<int> path{};  // empty: all paths
  int threads = 1;
  std::vector<int> cores{};
};

// The command that serves, and the line that asks it for `step`.
std::vector<std::string> StepServer();
std::string RequestFor(const ServedStep& step);

// Serves the lines of stdin until they end. Throws what making and taking the step throws.
void ServeSteps();

}  // namespace nasengine
