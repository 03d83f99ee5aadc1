// A supernet with everything that its steps need, and the steps as things to time.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "bench/workbench.h"
#include "data/batch.h"
#include "nas/supernet/memory_plan.h"
#include "nas/supernet/supernet.h"
#include "nas/train/trainer.h"

namespace nasengine {

// Of a benchmark's weight steps; small: weights must stay finite on images of noise.
inline constexpr double kBenchLr = 1e-4;

class SupernetSteps {
 public:
  // Prepares `steps`, which compute in `dtype`. Images are random numbers that stay the same;
  // loading data is not part of a step here.
  SupernetSteps(Workbench& bench, const SearchSpace& space, std::int64_t batch,
                std::span<const PlannedStep> steps, DType dtype = DType::kF32);

  // The path of the steps to come; drawn evenly for `draw`, or given, or of 100 drawn ones the one
  // whose multiply-accumulates are nearest to the space's mean.
  void DrawPath(std::uint64_t draw);
  void SetPath(Path path) { path_ = std::move(path); }
  void TakeTypicalPath();
  const Path& path() const { return path_; }

  // Forward and backward; then SGD of what a weight step trained. From gate gradients to alphas it
  // is a handful of numbers, left out here. `context` is the workbench's or a sibling.
  void Run(Context& context, PlannedStep step);

  // The counted peak of one step.
  MemoryPlan Count(PlannedStep step);

 private:
  Workbench& bench_;
  std::unique_ptr<Supernet> supernet_;
  Batch batch_;
  Path path_;
};

}  // namespace nasengine
