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

SearchSchedule::SearchSchedule(const Recipe& recipe, std::int64_t batches_per_epoch,
                               std::int64_t max_steps)
    : warmup_lr_(recipe.warmup_lr),
      search_lr_(recipe.search_lr),
      arch_every_(recipe.arch_every),
      first_arch_step_(recipe.arch_start_epoch * batches_per_epoch),
      warmup_steps_(Bounded(recipe.warmup_epochs * batches_per_epoch, max_steps)),
      search_steps_(Bounded(recipe.search_epochs * batches_per_epoch, max_steps)) {}

bool SearchSchedule::TakesArchitectureStep(std::int64_t step) const {
  return step >= first_arch_step_ && (step + 1) % arch_every_ == 0;
}

std::int64_t SearchSchedule::architecture_steps() const {
  std::int64_t steps = 0;
  for (std::int64_t step = 0; step < search_steps_; ++step) steps += TakesArchitectureStep(step);
  return steps;
}

double SearchSchedule::WarmupLr(std::int64_t step) const {
  return CosineSchedule(warmup_lr_, warmup_steps_).At(step);
}

double SearchSchedule::SearchLr(std::int64_t step) const {
  return CosineSchedule(search_lr_, search_steps_).At(step);
}

}  // namespace nasengine
