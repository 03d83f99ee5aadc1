// When a search takes which step, at which learning rate: arithmetic alone, so that a schedule can
// be counted without data.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "nas/search/architecture_steps.h"
#include "nas/space/recipe.h"

namespace nasengine {

// Warm-up of the weights, then weight steps with architecture steps between them, none in the first
// arch_start_epoch epochs. Weight steps of each phase count from 0.
class SearchSchedule {
 public:
  // `max_steps` > 0 bounds the weight steps of the warm-up and of the search each. A search that it
  // shortens keeps the share of steps before the first architecture step, and takes one at least
  // where the whole takes any.
  SearchSchedule(const Recipe& recipe, const ArchitectureSteps& architecture,
                 std::int64_t batches_per_epoch, std::int64_t max_steps);

  // Weight steps of the two phases, and architecture steps of the second.
  std::int64_t warmup_steps() const { return warmup_steps_; }
  std::int64_t search_steps() const { return search_steps_; }
  std::int64_t architecture_steps() const { return ArchitectureStepsWithin(search_steps_); }
  // Whether an architecture step follows weight step `step` of the search.
  bool TakesArchitectureStep(std::int64_t step) const {
    return ArchitectureStepsWithin(step + 1) > ArchitectureStepsWithin(step);
  }

  // Each phase has a cosine of its own, per batch, from the recipe's rate to 0.
  double WarmupLr(std::int64_t step) const;
  double SearchLr(std::int64_t step) const;
  // Of architecture steps; constant.
  double AlphaLr() const { return architecture_.alpha_lr; }

 private:
  // Architecture steps taken with the first `weight_steps` weight steps of the search.
  std::int64_t ArchitectureStepsWithin(std::int64_t weight_steps) const;

  double warmup_lr_;
  double search_lr_;
  ArchitectureSteps architecture_;
  std::int64_t first_arch_step_;
  std::int64_t warmup_steps_;
  std::int64_t search_steps_;
};

}  // namespace nasengine
