// The loop of a search: warm-up of the weights, then weight steps with architecture steps between
// them.
// SPDX-License-Identifier: MIT
#pragma once

#include "data/loader.h"
#include "kernels/core/allocator.h"
#include "nas/search/searcher.h"
#include "nas/train/search_schedule.h"
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
  // `recipe` says how weights are trained, `schedule` when.
  SearchLoop(const SearchParts& parts, const Recipe& recipe, const SearchSchedule& schedule);

  SearchTimes Run(const LoopControl& control);

 private:
  void Warmup(const LoopControl& control);
  void Search(const LoopControl& control);
  // Takes weight step `step` (from 0) of a phase and reports it.
  StepRecord WeightStep(const LoopControl& control, Phase phase, std::int64_t step);
  StepRecord ArchitectureStep(std::int64_t step);
  void Report(const LoopControl& control, StepRecord record, double ms) const;
  // After weight step `weights` and what followed it.
  void EndStep(const LoopControl& control, const StepRecord& weights) const;

  SearchParts parts_;
  Trainer trainer_;
  SearchSchedule schedule_;
};

}  // namespace nasengine
