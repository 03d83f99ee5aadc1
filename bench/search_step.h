// The steps whose time and memory are compared, under the names that rows give them: the algorithm
// that takes a step, and what the step trains.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "kernels/core/error.h"
#include "nas/supernet/rehearsal.h"

namespace nasengine {

struct SearchStep {
  PlannedStep planned;
  const char* algorithm;
  const char* trains;
};

// Proxyless-G-two trains weights as Proxyless-G does.
inline constexpr SearchStep kSearchSteps[] = {
    {PlannedStep::kWeights, "proxyless-g", "weights"},
    {PlannedStep::kArchitecture, "proxyless-g", "architecture"},
    {PlannedStep::kTwoPaths, "proxyless-g-two", "architecture"},
    {PlannedStep::kAllPaths, "darts", "weights"},
    {PlannedStep::kAllPathsArchitecture, "darts", "architecture"},
};

// "darts weights".
inline std::string NameOf(const SearchStep& step) {
  return StrCat(step.algorithm, " ", step.trains);
}

}  // namespace nasengine
