// `bench memory`: one path against all candidates weighted, on the same nodes, as candidates are
// added.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>

#include "bench/commands.h"
#include "bench/document.h"
#include "bench/harness.h"
#include "bench/supernet_steps.h"
#include "nas/config/machine.h"
#include "nas/report/format.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFewestCandidates = 2;
constexpr int kMostCandidates = 7;
constexpr int kRandomPaths = 4;
constexpr int kRounds = 3;
constexpr std::int64_t kSmallImageBatch = 128;
constexpr std::int64_t kLargeImageBatch = 16;
// Images that a large space is really run with.
constexpr std::int64_t kLargeImageCountedBatch = 2;
constexpr std::int64_t kLargeImagePixels = 64 * 64;

// The space with the first `candidates` of every searchable block's list.
SearchSpace Truncated(const SearchSpace& space, int candidates) {
  SearchSpace shorter = space;
  for (SpaceNode& node : shorter.nodes) {
    if (auto* choice = std::get_if<ChoiceNode>(&node)) {
      if (static_cast<int>(choice->candidates.size()) > candidates) {
        choice->candidates.resize(static_cast<std::size_t>(candidates));
      }
    }
  }
  return shorter;
}

struct MemoryCase {
  std::string path;  // "largest", "mean", "all"
  PlannedStep step = PlannedStep::kWeights;
  MemoryPlan planned;
  // Of real steps, where there were some.
  std::optional<std::int64_t> counted_bytes;
  std::optional<double> step_ms;
};

MemoryPlan Plan(Workbench& bench, const SearchSpace& space, std::span<const int> path,
                PlannedStep step, std::int64_t batch) {
  const PlanOptions options{
      .batch = batch, .step = step, .threads = bench.threads(), .policy = {}, .data_bytes = 0};
  return PlanStep(space, path, bench.registry(), options);
}

// The mean peak over evenly drawn paths.
MemoryPlan PlanMean(Workbench& bench, const SearchSpace& space, PlannedStep step,
                    std::int64_t batch) {
  const Rng rng(1, RngPurpose::kGates);
  MemoryPlan mean;
  for (int draw = 0; draw < kRandomPaths; ++draw) {
    Path path;
    for (const ChoiceNode* choice : space.Choices()) {
      path.push_back(
          static_cast<int>(rng.Below(static_cast<std::uint32_t>(choice->candidates.size()),
                                     static_cast<std::uint64_t>(draw), path.size())));
    }
    const MemoryPlan plan = Plan(bench, space, path, step, batch);
    mean.activations += plan.activations / kRandomPaths;
    mean.peak += plan.peak / kRandomPaths;
  }
  return mean;
}

std::vector<MemoryCase> PlanAll(Workbench& bench, const SearchSpace& space, std::int64_t batch) {
  std::vector<MemoryCase> cases;
  const Path largest = LargestPath(space);
  for (PlannedStep step : {PlannedStep::kWeights, PlannedStep::kArchitecture}) {
    cases.push_back({.path = "largest",
                     .step = step,
                     .planned = Plan(bench, space, largest, step, batch),
                     .counted_bytes = {},
                     .step_ms = {}});
    cases.push_back({.path = "mean",
                     .step = step,
                     .planned = PlanMean(bench, space, step, batch),
                     .counted_bytes = {},
                     .step_ms = {}});
  }
  cases.push_back({.path = "all",
                   .step = PlannedStep::kAllPaths,
                   .planned = Plan(bench, space, {}, PlannedStep::kAllPaths, batch),
                   .counted_bytes = {},
                   .step_ms = {}});
  return cases;
}

// Runs the steps that have a path of their own, interleaved, and notes what they took. Only the
// peak and not the batch that is held throughout belongs to a plan.
void CountReal(Workbench& bench, const SearchSpace& space, std::int64_t batch,
               std::vector<MemoryCase>& cases) {
  SupernetSteps steps(bench, space, batch, true);
  steps.SetPath(LargestPath(space));
  std::vector<Contender> contenders;
  std::vector<MemoryCase*> measured;
  for (MemoryCase& one : cases) {
    if (one.path == "mean") continue;
    contenders.push_back({NameOf(one.step), [&steps, step = one.step] { steps.Run(step); }});
    measured.push_back(&one);
  }
  const std::vector<RobustSummary> times = TimeInterleaved(
      contenders, {.min_rounds = kRounds, .max_rounds = kRounds, .min_sample_ms = 0});
  for (std::size_t i = 0; i < measured.size(); ++i) {
    const MemoryPlan counted = steps.Count(measured[i]->step);
    measured[i]->counted_bytes = counted.peak - counted.data;
    measured[i]->step_ms = times[i].median;
  }
}

void PrintCases(const SearchSpace& space, int candidates, std::int64_t batch,
                const std::vector<MemoryCase>& cases) {
  const MemoryPlan& all = cases.back().planned;
  for (const MemoryCase& one : cases) {
    fmt::print("  {:>2} {:>4} {:<13}{:<8}{:>11}{:>12}{:>7.3f}{:>12}{:>10}\n", candidates, batch,
               NameOf(one.step), one.path, FormatBytes(one.planned.peak),
               FormatBytes(one.planned.activations),
               static_cast<double>(one.planned.activations) / static_cast<double>(all.activations),
               one.counted_bytes ? FormatBytes(*one.counted_bytes) : "-",
               one.step_ms ? fmt::format("{:.1f}", *one.step_ms) : "-");
  }
  std::fflush(stdout);
  (void)space;
}

template <class T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

void AppendRows(const SearchSpace& space, int candidates, std::int64_t batch,
                const std::vector<MemoryCase>& cases, Json& rows) {
  const MemoryPlan& all = cases.back().planned;
  for (const MemoryCase& one : cases) {
    rows.push_back(
        {{"name", StrCat(space.name, " ", NameOf(one.step), " ", one.path, " ", candidates)},
         {"algorithm", AlgorithmOf(one.step)},
         {"candidates", candidates},
         {"batch", batch},
         {"dtype", "f32"},
         {"peak_bytes", one.planned.peak},
         {"step_ms", OrNull(one.step_ms)},
         {"space", space.name},
         {"step", NameOf(one.step)},
         {"path", one.path},
         {"activation_bytes", one.planned.activations},
         {"weight_bytes", one.planned.weights},
         {"counted_peak_bytes", OrNull(one.counted_bytes)},
         {"peak_over_all_paths", static_cast<double>(one.planned.peak) / all.peak},
         {"activations_over_all_paths",
          static_cast<double>(one.planned.activations) / static_cast<double>(all.activations)}});
  }
}

void RunSpace(Workbench& bench, const SearchSpace& space, const BenchOptions& options, Json& rows) {
  const bool large = space.input.h * space.input.w > kLargeImagePixels;
  const std::int64_t planned_batch = options.batch > 0 ? options.batch
                                     : large           ? kLargeImageBatch
                                                       : kSmallImageBatch;
  const std::int64_t counted_batch =
      large ? std::min(planned_batch, kLargeImageCountedBatch) : planned_batch;
  const std::regex filter(options.filter);
  if (!std::regex_search(space.name, filter)) return;
  if (!options.json) {
    fmt::print("\n{} {}, f32\n  {:>2} {:>4} {:<13}{:<8}{:>11}{:>12}{:>7}{:>12}{:>10}\n", space.name,
               ToString(space.input), "k", "n", "step", "path", "peak", "activations", "/all",
               "counted", "step ms");
  }
  for (int candidates = kFewestCandidates; candidates <= kMostCandidates; ++candidates) {
    const SearchSpace shorter = Truncated(space, candidates);
    std::vector<std::int64_t> batches{planned_batch};
    if (counted_batch != planned_batch) batches.push_back(counted_batch);
    for (std::int64_t batch : batches) {
      std::vector<MemoryCase> cases = PlanAll(bench, shorter, batch);
      if (batch == counted_batch && cases.back().planned.peak <= DefaultMemoryBudget()) {
        CountReal(bench, shorter, batch, cases);
        bench.allocator().ReleaseCached();
      }
      AppendRows(space, candidates, batch, cases, rows);
      if (!options.json) PrintCases(space, candidates, batch, cases);
    }
  }
}

}  // namespace

Json BenchMemory(const BenchOptions& options) {
  Workbench bench(options.threads);
  Json document = MakeDocument("memory", bench);
  if (!options.json) PrintMachine(bench);
  for (const std::string& name : options.spaces.empty() ? BuiltinSpaceNames() : options.spaces) {
    RunSpace(bench, LoadSpace(name), options, document["rows"]);
  }
  document["resident_peak_bytes"] = ResidentPeakBytes();
  if (!options.json) fmt::print("\nresident peak {}\n", FormatBytes(ResidentPeakBytes()));
  return document;
}

}  // namespace nasengine
