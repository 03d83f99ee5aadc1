// SPDX-License-Identifier: MIT
#include "nas/cli/step_recording.h"

#include <cstdio>
#include <optional>

#include "kernels/core/kernel_profile.h"
#include "nas/train/trainer.h"

namespace nasengine {
namespace {

constexpr int kRepetitions = 9;
constexpr double kNoLr = 0;

}  // namespace

std::vector<RecordedStep> RecordSearchSteps(Context& context, Supernet& supernet,
                                            Searcher& searcher, const SearchAlgorithm& algorithm,
                                            SearchImages& images) {
  const Trainer trainer = SearchTrainer(supernet.space().recipe);
  const Batch weight_batch = images.weight_loader().Next();
  const std::optional<Path> path = searcher.WeightPath(0);
  std::vector<RecordedStep> steps;
  steps.push_back(
      {.name = "weights", .repetitions = RecordWork(context, kRepetitions, [&](Context& reporting) {
                            if (path) {
                              trainer.Step(reporting, supernet, *path, weight_batch, kNoLr);
                            } else {
                              trainer.StepAllPaths(reporting, supernet, weight_batch, kNoLr);
                            }
                          })});
  if (algorithm.steps.size() == 1) return steps;
  const Batch arch_batch = images.arch_loader().Next();
  // Put back each time, so that the same path is drawn.
  const std::vector<BinaryGate> gates = supernet.gates();
  steps.push_back({.name = "architecture",
                   .repetitions = RecordWork(context, kRepetitions, [&](Context& reporting) {
                     searcher.ArchitectureStep(reporting, arch_batch, 0);
                     supernet.gates() = gates;
                   })});
  return steps;
}

std::vector<RecordedStep> RecordTrainingStep(Context& context, const Network& network,
                                             const Recipe& recipe, const Batch& batch,
                                             std::uint32_t seed) {
  const Trainer trainer = NetworkTrainer(recipe);
  const Rng dropout(seed, RngPurpose::kDropout);
  return {{.name = "training",
           .repetitions = RecordWork(context, kRepetitions, [&](Context& reporting) {
             trainer.Step(reporting, network, batch, kNoLr, {.dropout_rng = &dropout});
           })}};
}

void TellStepProfile(const std::vector<RecordedStep>& steps, const RunFolder& folder, bool json) {
  constexpr char kTraceFile[] = "trace.json";
  folder.Write(kTraceFile, ChromeTrace(steps));
  std::vector<StepProfile> profiles;
  for (const RecordedStep& step : steps) profiles.push_back(Summarize(step));
  std::string text;
  if (json) {
    text = StepProfilesJson(profiles, folder.File(kTraceFile));
  } else {
    for (const StepProfile& profile : profiles) text += StepProfileText(profile);
    text += "\n  trace: " + folder.File(kTraceFile) + " (ui.perfetto.dev, chrome://tracing)\n";
  }
  std::fputs(text.c_str(), stdout);
}

}  // namespace nasengine
