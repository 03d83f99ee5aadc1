// SPDX-License-Identifier: MIT
#include "nas/train/search_loop.h"

#include "kernels/core/timer.h"

namespace nasengine {
namespace {

double Percent(std::int64_t hits, std::int64_t images) {
  return images == 0 ? 0 : 100.0 * static_cast<double>(hits) / static_cast<double>(images);
}

}  // namespace

SearchLoop::SearchLoop(const SearchParts& parts, const Recipe& recipe,
                       const SearchSchedule& schedule)
    : parts_(parts), trainer_(SearchTrainer(recipe)), schedule_(schedule) {}

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
  for (std::int64_t step = 0; step < schedule_.warmup_steps() && !control.stopped(); ++step) {
    EndStep(control, WeightStep(control, Phase::kWarmup, step));
  }
}

void SearchLoop::Search(const LoopControl& control) {
  for (std::int64_t step = 0; step < schedule_.search_steps() && !control.stopped(); ++step) {
    const StepRecord weights = WeightStep(control, Phase::kWeight, step);
    if (!control.stopped() && schedule_.TakesArchitectureStep(step)) {
      const Timer timer;
      StepRecord architecture = ArchitectureStep(step);
      architecture.epoch = weights.epoch;
      Report(control, architecture, timer.ms());
    }
    EndStep(control, weights);
  }
}

StepRecord SearchLoop::WeightStep(const LoopControl& control, Phase phase, std::int64_t step) {
  const Timer timer;
  const bool warmup = phase == Phase::kWarmup;
  const double lr = warmup ? schedule_.WarmupLr(step) : schedule_.SearchLr(step);
  parts_.allocator.ResetPeak();
  // The phases share a stream of draws, one after the other.
  const std::int64_t draw = warmup ? step : schedule_.warmup_steps() + step;
  const std::optional<Path> path = parts_.searcher.WeightPath(static_cast<std::uint64_t>(draw));
  const Batch batch = parts_.weight_loader.Next();
  const StepResult result = path
                                ? trainer_.Step(parts_.context, parts_.supernet, *path, batch, lr)
                                : trainer_.StepAllPaths(parts_.context, parts_.supernet, batch, lr);
  const StepRecord record = {.step = step + 1,
                             .steps = warmup ? schedule_.warmup_steps() : schedule_.search_steps(),
                             .epoch = batch.epoch,
                             .phase = phase,
                             .loss = result.loss,
                             .top1 = Percent(result.top1_hits, result.images),
                             .lr = lr,
                             .images = result.images};
  Report(control, record, timer.ms());
  if (control.path_trained)
    control.path_trained(path ? std::span<const int>(*path) : std::span<const int>());
  return record;
}

StepRecord SearchLoop::ArchitectureStep(std::int64_t step) {
  parts_.allocator.ResetPeak();
  const Batch batch = parts_.arch_loader.Next();
  const ArchitectureStepResult result =
      parts_.searcher.ArchitectureStep(parts_.context, batch, static_cast<std::uint64_t>(step));
  return {.step = step + 1,
          .steps = schedule_.search_steps(),
          .phase = Phase::kArch,
          .loss = result.loss,
          .cross_entropy = result.cross_entropy,
          .top1 = Percent(result.top1_hits, result.images),
          .lr = schedule_.AlphaLr(),
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

void SearchLoop::EndStep(const LoopControl& control, const StepRecord& weights) const {
  const bool epoch_ended = parts_.weight_loader.position().batch == 0;
  if (epoch_ended && control.epoch_ended && !control.stopped()) control.epoch_ended(weights);
}

}  // namespace nasengine
