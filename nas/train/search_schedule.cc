// SPDX-License-Identifier: MIT
#include "nas/train/search_schedule.h"

#include <algorithm>

#include "autograd/optim/lr_schedule.h"

namespace nasengine {
namespace {

std::int64_t Bounded(std::int64_t steps, std::int64_t max_steps) {
  return max_steps > 0 ? std::min(steps, max_steps) : steps;
}

}  // namespace

SearchSchedule::SearchSchedule(const Recipe& recipe, const ArchitectureSteps& architecture,
                               std::int64_t batches_per_epoch, std::int64_t max_steps)
    : warmup_lr_(recipe.warmup_lr),
      search_lr_(recipe.search_lr),
      architecture_(architecture),
      first_arch_step_(recipe.arch_start_epoch * batches_per_epoch),
      warmup_steps_(Bounded(recipe.warmup_epochs * batches_per_epoch, max_steps)),
      search_steps_(Bounded(recipe.search_epochs * batches_per_epoch, max_steps)) {
  if (architecture_.per_weight_steps == 0) architecture_.per_weight_steps = batches_per_epoch;
  architecture_.count = std::min(architecture_.count, architecture_.per_weight_steps);
  const std::int64_t planned_steps = recipe.search_epochs * batches_per_epoch;
  if (search_steps_ == planned_steps) return;
  // A search in small: its part without architecture steps is as large a part, and where the whole
  // takes any, it takes one.
  const bool takes_any = ArchitectureStepsWithin(planned_steps) > 0;
  first_arch_step_ = first_arch_step_ * search_steps_ / planned_steps;
  if (takes_any && architecture_steps() == 0) {
    architecture_.count = 1;
    architecture_.per_weight_steps = search_steps_;
    first_arch_step_ = 0;
  }
}

std::int64_t SearchSchedule::ArchitectureStepsWithin(std::int64_t weight_steps) const {
  // Counted from the start of the search, so that where the steps fall does not depend on when they
  // begin.
  const auto spread = [&](std::int64_t n) {
    return n * architecture_.count / architecture_.per_weight_steps;
  };
  return weight_steps <= first_arch_step_ ? 0 : spread(weight_steps) - spread(first_arch_step_);
}

double SearchSchedule::WarmupLr(std::int64_t step) const {
  return CosineSchedule(warmup_lr_, warmup_steps_).At(step);
}

double SearchSchedule::SearchLr(std::int64_t step) const {
  return CosineSchedule(search_lr_, search_steps_).At(step);
}

}  // namespace nasengine
