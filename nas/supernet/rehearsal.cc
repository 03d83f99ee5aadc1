// SPDX-License-Identifier: MIT
#include "nas/supernet/rehearsal.h"

#include "nas/supernet/step.h"

namespace nasengine {
bool TakesAllPaths(PlannedStep step) {
  return step == PlannedStep::kAllPaths || step == PlannedStep::kAllPathsArchitecture;
}

void RehearseStep(Context& context, const Supernet& supernet, PlannedStep step,
                  std::span<const int> path, const Tensor& images, const Tensor& labels) {
  std::vector<GateGradients> gates(static_cast<std::size_t>(supernet.blocks()));
  switch (step) {
    case PlannedStep::kWeights:
      RunWeightStep(context, supernet, path, images, labels, 0, {});
      break;
    case PlannedStep::kArchitecture:
      RunArchitectureStep(context, supernet, path, images, labels, gates);
      break;
    case PlannedStep::kTwoPaths:
      RunTwoPathsStep(context, supernet, path, LargestPathBeside(supernet.space(), path), images,
                      labels, gates);
      break;
    case PlannedStep::kAllPaths:
      RunAllPathsStep(context, supernet, images, labels, 0, {});
      break;
    case PlannedStep::kAllPathsArchitecture:
      RunAllPathsArchitectureStep(context, supernet, images, labels, gates);
      break;
    case PlannedStep::kEvaluation:
      RunForwardStep(context, supernet, path, images, labels);
      break;
  }
  for (ParameterSlab* slab : supernet.Slabs()) slab->DropGradients();
}

}  // namespace nasengine
