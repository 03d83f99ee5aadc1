// SPDX-License-Identifier: MIT
#include "bench/supernet_steps.h"

#include <cmath>
#include <limits>
#include <utility>

#include "autograd/optim/sgd.h"
#include "nas/space/counts.h"
#include "nas/supernet/prepare.h"
#include "nas/supernet/step.h"

namespace nasengine {
namespace {

constexpr std::uint32_t kSeed = 1;
constexpr float kSmoothing = 0.1f;

}  // namespace

SupernetSteps::SupernetSteps(Workbench& bench, const SearchSpace& space, std::int64_t batch,
                             std::span<const PlannedStep> steps, DType dtype)
    : bench_(bench),
      supernet_(std::make_unique<Supernet>(bench.context(), space, ComputeOptions{.dtype = dtype})),
      batch_{.images = bench.Random({batch, space.input.h, space.input.w, space.input.c}, 1),
             .labels = bench.Labels(batch, space.classes)} {
  supernet_->Initialize(kSeed);
  std::vector<SizedStep> sized;
  for (PlannedStep step : steps) sized.push_back({step, batch});
  PrepareSupernet(bench_.context(), bench_.allocator(), *supernet_, sized);
  DrawPath(0);
}

void SupernetSteps::DrawPath(std::uint64_t draw) {
  path_ = supernet_->SamplePath(Rng(kSeed, RngPurpose::kGates), draw);
}

void SupernetSteps::TakeTypicalPath() {
  constexpr std::uint64_t kDraws = 100;
  const SearchSpace& space = supernet_->space();
  const double mean = MeanMacs(space);
  double nearest = std::numeric_limits<double>::infinity();
  Path typical;
  for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
    DrawPath(draw);
    const auto macs = static_cast<double>(CountNetwork(Derive(space, path_)).macs);
    if (std::abs(macs - mean) >= nearest) continue;
    nearest = std::abs(macs - mean);
    typical = path_;
  }
  SetPath(std::move(typical));
}

void SupernetSteps::Run(Context& context, PlannedStep step) {
  switch (step) {
    case PlannedStep::kWeights:
      Trainer({}).Step(context, *supernet_, path_, batch_, kBenchLr);
      return;
    case PlannedStep::kAllPaths:
      RunAllPathsStep(context, *supernet_, batch_.images, batch_.labels, kSmoothing, {});
      SgdOptimizer({}).Step(context, supernet_->Slabs(), static_cast<float>(kBenchLr));
      return;
    case PlannedStep::kArchitecture:
    case PlannedStep::kTwoPaths:
    case PlannedStep::kAllPathsArchitecture:
    case PlannedStep::kEvaluation:
      RehearseStep(context, *supernet_, step, path_, batch_.images, batch_.labels);
      return;
  }
}

MemoryPlan SupernetSteps::Count(PlannedStep step) {
  bench_.allocator().ResetPeak();
  Run(bench_.context(), step);
  return ToMemoryPlan(bench_.allocator().stats());
}

}  // namespace nasengine
