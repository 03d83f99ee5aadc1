// SPDX-License-Identifier: MIT
#include "nas/train/search_loop.h"

#include <algorithm>

#include "autograd/optim/lr_schedule.h"
#include "kernels/core/timer.h"

namespace nasengine {
namespace {

double Percent(std::int64_t hits, std::int64_t images) {
  return images == 0 ? 0 : 100.0 * static_cast<double>(hits) / static_cast<double>(images);
}

std::int64_t Bounded(std::int64_t steps, std::int64_t max_steps) {
  return max_steps > 0 ? std::min(steps, max_steps) : steps;
}

}  // namespace

SearchLoop::SearchLoop(const SearchParts& parts, const Recipe& recipe, std::int64_t max_steps)
    : parts_(parts),
      recipe_(recipe),
      trainer_({.momentum = recipe.momentum,
                .weight_decay = recipe.weight_decay,
                .decay_all = true,
                .label_smoothing = recipe.label_smoothing}),
      batches_per_epoch_(parts.weight_loader.batches_per_epoch()),
      warmup_steps_(Bounded(recipe.warmup_epochs * batches_per_epoch_, max_steps)),
      search_steps_(Bounded(recipe.search_epochs * batches_per_epoch_, max_steps)) {}

bool SearchLoop::TakesArchitectureStep(std::int64_t weight_step) const {
  return weight_step >= recipe_.arch_start_epoch * batches_per_epoch_ &&
         (weight_step + 1) % recipe_.arch_every == 0;
}

std::int64_t SearchLoop::architecture_steps() const {
  std::int64_t steps = 0;
  for (std::int64_t step = 0; step < search_steps_; ++step) steps += TakesArchitectureStep(step);
  return steps;
}

SearchTimes SearchLoop::Run(const LoopControl& control) {
  SearchTimes times;
  const Timer warmup;
  Warmup(control);
  times.warmup_seconds = warmup.seconds();
  const Timer search;
  Search(control);
  times.search_seconds = search.seconds();
  return times;
}

void SearchLoop::Warmup(const LoopControl& control) {
  for (std::int64_t step = 0; step < warmup_steps_ && !control.stopped(); ++step) {
    const Timer timer;
    StepRecord record = WeightStep(Phase::kWarmup, step, warmup_steps_, recipe_.warmup_lr);
    Report(control, record, timer.ms());
  }
}

void SearchLoop::Search(const LoopControl& control) {
  for (std::int64_t step = 0; step < search_steps_ && !control.stopped(); ++step) {
    const Timer timer;
    const StepRecord weights = WeightStep(Phase::kWeight, step, search_steps_, recipe_.search_lr);
    Report(control, weights, timer.ms());
    if (!TakesArchitectureStep(step)) continue;
    const Timer arch_timer;
    StepRecord architecture = ArchitectureStep(step);
    architecture.epoch = weights.epoch;
    Report(control, architecture, arch_timer.ms());
  }
}

StepRecord SearchLoop::WeightStep(Phase phase, std::int64_t step, std::int64_t steps,
                                  double base_lr) {
  parts_.allocator.ResetPeak();
  const double lr = CosineSchedule(base_lr, steps).At(step);
  // The two phases draw from one stream of paths, one after the other.
  const std::int64_t draw = phase == Phase::kWarmup ? step : warmup_steps_ + step;
  const Path path = parts_.searcher.WeightPath(static_cast<std::uint64_t>(draw));
  const Batch batch = parts_.weight_loader.Next();
  const StepResult result = trainer_.Step(parts_.context, parts_.supernet, path, batch, lr);
  return {.step = step + 1,
          .steps = steps,
          .epoch = batch.epoch,
          .phase = phase,
          .loss = result.loss,
          .top1 = Percent(result.top1_hits, result.images),
          .lr = lr,
          .images = result.images};
}

StepRecord SearchLoop::ArchitectureStep(std::int64_t step) {
  parts_.allocator.ResetPeak();
  const Batch batch = parts_.arch_loader.Next();
  const ArchitectureStepResult result =
      parts_.searcher.ArchitectureStep(parts_.context, batch, static_cast<std::uint64_t>(step));
  return {.step = step + 1,
          .steps = search_steps_,
          .phase = Phase::kArch,
          .loss = result.loss,
          .top1 = Percent(result.top1_hits, result.images),
          .lr = recipe_.alpha_lr,
          .images = result.images};
}

void SearchLoop::Report(const LoopControl& control, StepRecord record, double ms) const {
  if (!control.observe) return;
  record.ms = ms;
  record.expected_latency_ms = parts_.searcher.ExpectedLatencyMs();
  record.entropy = parts_.supernet.MeanEntropy();
  record.peak_bytes = parts_.allocator.stats().peak_bytes;
  control.observe(record);
}

}  // namespace nasengine
