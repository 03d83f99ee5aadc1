// The steps of a search by kind, run for what they take rather than for what they give: memory is
// planned and primitives are prepared by rehearsing the very steps that will run.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "nas/supernet/supernet.h"

namespace nasengine {

enum class PlannedStep {
  kWeights,               // one path, its weights trained
  kArchitecture,          // one path, gate gradients of all candidates
  kTwoPaths,              // one path, gate gradients of its candidates and of a second path's
  kAllPaths,              // every candidate evaluated, kept and trained (DARTS)
  kAllPathsArchitecture,  // every candidate evaluated and kept, gate gradients of all (DARTS)
  kEvaluation,            // one path, forward alone
};
// Whether the step evaluates all candidates, so that no path matters to it.
bool TakesAllPaths(PlannedStep step);

// A step that a search takes, and its images.
struct SizedStep {
  PlannedStep step = PlannedStep::kWeights;
  std::int64_t batch = 0;
};

// Runs the step along `path` and drops what it leaves. The second path of kTwoPaths is the largest
// beside the first.
void RehearseStep(Context& context, const Supernet& supernet, PlannedStep step,
                  std::span<const int> path, const Tensor& images, const Tensor& labels);

}  // namespace nasengine
