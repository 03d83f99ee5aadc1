// From the times of an operator's implementations to the rows of the kernel policy.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/core/kernel_policy.h"

namespace nasengine {

// One operator on one shape.
struct MeasuredChoice {
  std::string op;
  KernelShape shape;
  ThreadClass threads = ThreadClass::kOne;
  std::vector<std::pair<Impl, double>> ms{};  // two or more
  double noise = 0;                           // SameAgainstSame in those rounds
};

// The order of each is by time, except that the implementation that comes first in kImpls stays in
// front unless the fastest beats it by more than the noise: that of its own rounds or, where chance
// made this small, the median of all.
std::vector<KernelPolicyRow> DecideRows(std::span<const MeasuredChoice> measured);

}  // namespace nasengine
