// A supernet with everything that its steps need, and the three steps as things to time.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>

#include "bench/workbench.h"
#include "data/batch.h"
#include "nas/supernet/memory_plan.h"
#include "nas/supernet/supernet.h"
#include "nas/train/trainer.h"

namespace nasengine {

// How rows call a step: the algorithm that takes it, and the step.
const char* AlgorithmOf(PlannedStep step);
const char* NameOf(PlannedStep step);

class SupernetSteps {
 public:
  // Prepares weight and architecture steps, and the step of all paths if `all_paths`. Images are
  // random numbers that stay the same; loading data is not part of a step here.
  SupernetSteps(Workbench& bench, const SearchSpace& space, std::int64_t batch, bool all_paths);

  // The path of the steps to come; drawn evenly for `draw`, or given.
  void DrawPath(std::uint64_t draw);
  void SetPath(Path path) { path_ = std::move(path); }

  // Weights: forward, backward, SGD along the path. Architecture: forward, backward with gate
  // gradients of every candidate, gradients of the alphas. All paths: forward, backward, SGD of
  // every candidate. The others: as they are rehearsed.
  void Run(PlannedStep step);

  // The counted peak of one step.
  MemoryPlan Count(PlannedStep step);

 private:
  Workbench& bench_;
  std::unique_ptr<Supernet> supernet_;
  Batch batch_;
  Path path_;
};

}  // namespace nasengine
