// The schedule of a search: warm-up of the weights, then weight steps with an architecture step
// after every k-th. SPDX-License-Identifier: MIT
#pragma once

#include "data/loader.h"
#include "kernels/core/allocator.h"
#include "nas/search/searcher.h"
#include "nas/space/recipe.h"
#include "nas/train/step_record.h"
#include "nas/train/trainer.h"

namespace nasengine {

struct SearchParts {
  Context& context;
  CachingAllocator& allocator;
  Supernet& supernet;
  Searcher& searcher;
  Loader& weight_loader;
  Loader& arch_loader;
};

struct SearchTimes {
  double warmup_seconds = 0;
  double search_seconds = 0;
};

class SearchLoop {
 public:
  // `max_steps` > 0 bounds the weight steps of the warm-up and of the search each.
  SearchLoop(const SearchParts& parts, const Recipe& recipe, std::int64_t max_steps);

  // Weight steps of the two phases, and architecture steps of the second.
  std::int64_t warmup_steps() const { return warmup_steps_; }
  std::int64_t search_steps() const { return search_steps_; }
  std::int64_t architecture_steps() const;

  SearchTimes Run(const LoopControl& control);

 private:
  void Warmup(const LoopControl& control);
  void Search(const LoopControl& control);
  bool TakesArchitectureStep(std::int64_t weight_step) const;
  StepRecord WeightStep(Phase phase, std::int64_t step, std::int64_t steps, double base_lr);
  StepRecord ArchitectureStep(std::int64_t step);
  void Report(const LoopControl& control, StepRecord record, double ms) const;

  SearchParts parts_;
  Recipe recipe_;
  Trainer trainer_;
  std::int64_t batches_per_epoch_;
  std::int64_t warmup_steps_;
  std::int64_t search_steps_;
};

}  // namespace nasengine
