// SPDX-License-Identifier: MIT
#include "nas/cli/search_watch.h"

#include <utility>

#include "kernels/core/timer.h"
#include "nas/supernet/memory_plan.h"

namespace nasengine {

SearchWatch::SearchWatch(Parts parts, std::int64_t architecture_steps, SearchSummary& summary)
    : parts_(std::move(parts)),
      summary_(summary),
      health_(parts_.space, parts_.supernet.gates(), architecture_steps, parts_.knobs,
              [this](const HealthWarning& warning) { Warn(warning); }) {}

LoopControl SearchWatch::Control() {
  LoopControl control = parts_.hooks.control;
  control.observe = [this](const StepRecord& record) { Observe(record); };
  control.path_trained = [this](std::span<const int> path) {
    health_.AfterWeightStep(path);
    if (parts_.hooks.control.path_trained) parts_.hooks.control.path_trained(path);
  };
  const int every = parts_.space.recipe.validate_every;
  if (every == 0) return control;
  control.epoch_ended = [this, every](const StepRecord& record) {
    if (parts_.hooks.control.epoch_ended) parts_.hooks.control.epoch_ended(record);
    if ((record.epoch + 1) % every == 0) Validate(record);
  };
  return control;
}

void SearchWatch::Finish() {
  if (!parts_.hooks.control.stopped()) health_.Finish();
}

void SearchWatch::Observe(const StepRecord& record) {
  (record.phase == Phase::kArch ? summary_.architecture_steps : summary_.steps) += 1;
  CountPeak();
  if (parts_.hooks.control.observe) parts_.hooks.control.observe(record);
  if (record.phase == Phase::kArch) health_.AfterArchitectureStep(record.cross_entropy);
}

void SearchWatch::CountPeak() {
  const MemoryStats stats = parts_.allocator.stats();
  if (stats.peak_bytes <= summary_.peak_bytes.total) return;
  const MemoryPlan peak = ToMemoryPlan(stats);
  summary_.peak_bytes = {.total = peak.peak,
                         .weights = peak.weights,
                         .gradients = peak.gradients,
                         .optimizer = peak.optimizer,
                         .activations = peak.activations,
                         .workspace = peak.workspace,
                         .data = peak.data};
}

void SearchWatch::Warn(const HealthWarning& warning) {
  summary_.warnings.push_back(
      {.name = std::string(warning.name), .finding = warning.finding, .advice = warning.advice});
  if (!parts_.hooks.announce) return;
  parts_.hooks.announce(
      StrCat("warning: ", warning.name, ": ", warning.finding, "; ", warning.advice));
}

void SearchWatch::Validate(StepRecord record) {
  const Timer timer;
  const Path path = parts_.supernet.BestPath();
  parts_.allocator.ResetPeak();
  const Evaluation result = parts_.evaluate(path);
  CountPeak();
  record.phase = Phase::kEval;
  record.loss = result.loss;
  record.top1 = result.top1;
  record.expected_latency_ms = parts_.latency.PathMs(path);
  record.entropy = parts_.supernet.MeanEntropy();
  record.ms = timer.ms();
  record.images = result.images;
  record.peak_bytes = parts_.allocator.stats().peak_bytes;
  if (parts_.hooks.validated) parts_.hooks.validated(record, Derive(parts_.space, path));
}

}  // namespace nasengine
