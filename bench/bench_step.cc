// `bench step`: what a step of a search costs in time and memory, beside a step of all paths.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <regex>

#include "bench/commands.h"
#include "bench/document.h"
#include "bench/fixed_network.h"
#include "bench/harness.h"
#include "bench/memory_cases.h"
#include "bench/pytorch_peer.h"
#include "bench/search_step.h"
#include "bench/step_profiles.h"
#include "bench/supernet_steps.h"
#include "kernels/core/file_io.h"
#include "nas/report/format.h"
#include "nas/space/counts.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kRounds = 9;
constexpr std::int64_t kSmallImageBatch = 128;
constexpr std::int64_t kLargeImageBatch = 16;
constexpr std::int64_t kLargeImagePixels = 64 * 64;

// Multiply-accumulates of one image, forward, through every layer and candidate once.
double AllPathsMacs(const SearchSpace& space) {
  double macs = 0;
  for (const SpaceNode& node : space.nodes) {
    if (const auto* layer = std::get_if<LayerDesc>(&node)) {
      macs += static_cast<double>(CountLayer(*layer).macs);
    } else {
      for (const LayerDesc& candidate : std::get<ChoiceNode>(node).candidates) {
        macs += static_cast<double>(CountLayer(candidate).macs);
      }
    }
  }
  return macs;
}

// Operations that a step cannot avoid. Backward costs a forward each for data and for weights; an
// architecture step needs the data's only, and each candidate beside the drawn one once forward.
double StepFlops(const SearchSpace& space, PlannedStep step, std::int64_t batch) {
  const double mean = MeanMacs(space);
  const double all = AllPathsMacs(space);
  const auto macs = [&] {
    switch (step) {
      case PlannedStep::kWeights:
      case PlannedStep::kTwoPaths:
        return 3 * mean;
      case PlannedStep::kArchitecture:
        return mean + all;
      case PlannedStep::kAllPaths:
        return 3 * all;
      case PlannedStep::kAllPathsArchitecture:
        return 2 * all;
      case PlannedStep::kEvaluation:
        break;
    }
    return mean;
  };
  return 2 * macs() * static_cast<double>(batch);
}

std::string RowName(const SearchSpace& space, const SearchStep& step) {
  return StrCat(space.name, " ", NameOf(step));
}

struct StepCase {
  SearchStep step;
  RobustSummary ms;
  MemoryPlan peak;
};

// Beside what else runs here.
bool Fits(Workbench& bench, const SearchSpace& space, const SearchStep& step, std::int64_t batch,
          DType dtype) {
  const PlanOptions plan{.batch = batch,
                         .dtype = dtype,
                         .step = step.planned,
                         .threads = bench.threads(),
                         .policy = bench.context().policy(),
                         .device = &bench.backend(),
                         .data_bytes = 0};
  return PlanStep(space, LargestPath(space), bench.registry(), plan).peak <= bench.memory_budget();
}

void PrintSpace(const SearchSpace& space, std::int64_t batch, DType dtype,
                const std::vector<StepCase>& cases, double noise, const MachineLimits& limits) {
  fmt::print("\n{} {}, batch {}, {}; same against same {:.1f} %\n", space.name,
             ToString(space.input), batch, Name(dtype), 100 * noise);
  fmt::print("  {:<29}{:>10}{:>7}{:>10}{:>11}{:>12}{:>12}{:>9}\n", "step", "ms", "±%", "images/s",
             "x weights", "peak", "activations", "of FMA%");
  for (const StepCase& one : cases) {
    const double floor_ms = StepFlops(space, one.step.planned, batch) / (limits.fma_gflops * 1e6);
    // Of a device whose arithmetic was not measured there is no share.
    const std::string share = limits.fma_gflops > 0
                                  ? fmt::format("{:.0f}", 100 * floor_ms / one.ms.median)
                                  : std::string("-");
    fmt::print("  {:<29}{:>10.1f}{:>7.1f}{:>10.1f}{:>11.2f}{:>12}{:>12}{:>9}\n", NameOf(one.step),
               one.ms.median, 100 * one.ms.mad / one.ms.median,
               1e3 * static_cast<double>(batch) / one.ms.median,
               one.ms.median / cases.front().ms.median, FormatBytes(one.peak.peak),
               FormatBytes(one.peak.activations), share);
  }
  std::fflush(stdout);
}

Json ToRow(const SearchSpace& space, std::int64_t batch, DType dtype, const StepCase& one,
           double noise, const MachineLimits& limits) {
  return {{"name", RowName(space, one.step)},
          {"algorithm", one.step.algorithm},
          {"candidates", MostCandidates(space)},
          {"batch", batch},
          {"dtype", Name(dtype)},
          {"peak_bytes", one.peak.peak},
          {"step_ms", one.ms.median},
          {"mad_ms", one.ms.mad},
          {"rounds", one.ms.count},
          {"same_against_same", noise},
          {"images_per_second", 1e3 * static_cast<double>(batch) / one.ms.median},
          {"activation_bytes", one.peak.activations},
          {"floor_ms", StepFlops(space, one.step.planned, batch) / (limits.fma_gflops * 1e6)}};
}

std::int64_t BatchFor(const SearchSpace& space, const BenchOptions& options) {
  const bool large = space.input.h * space.input.w > kLargeImagePixels;
  return options.batch > 0 ? options.batch : large ? kLargeImageBatch : kSmallImageBatch;
}

// Those that the filter finds and that fit into memory.
std::vector<SearchStep> WantedSteps(Workbench& bench, const SearchSpace& space, std::int64_t batch,
                                    const BenchOptions& options) {
  const std::regex filter(options.filter);
  std::vector<SearchStep> wanted;
  for (const SearchStep& step : kSearchSteps) {
    const std::string name = RowName(space, step);
    if (!std::regex_search(name, filter)) continue;
    if (!Fits(bench, space, step, batch, options.dtype)) {
      fmt::print(stderr, "{}: does not fit into memory and is left out\n", name);
      continue;
    }
    wanted.push_back(step);
  }
  return wanted;
}

void TimeSpace(Workbench& bench, const SearchSpace& space, std::int64_t batch,
               const BenchOptions& options, const MachineLimits& limits, Json& rows) {
  std::vector<StepCase> cases;
  std::vector<PlannedStep> kinds;
  for (const SearchStep& step : WantedSteps(bench, space, batch, options)) {
    cases.push_back({step, {}, {}});
    kinds.push_back(step.planned);
  }
  if (cases.empty()) return;
  SupernetSteps steps(bench, space, batch, kinds, options.dtype);
  std::vector<Contender> contenders;
  for (const StepCase& one : cases) {
    contenders.push_back(
        {NameOf(one.step), [&, kind = one.step.planned] { steps.Run(bench.context(), kind); }});
  }
  // The first one twice: how far it is from itself is the noise of all.
  contenders.push_back(contenders.front());
  const int rounds = options.RoundsOr(kRounds);
  const std::vector<RobustSummary> times = TimeInterleaved(
      contenders,
      {.min_rounds = rounds,
       .max_rounds = rounds,
       .device = bench.clock(),
       .before_round = [&](int round) { steps.DrawPath(static_cast<std::uint64_t>(round + 1)); }});
  // The path that keeps most: what a search has to reckon with.
  steps.SetPath(LargestPath(space));
  for (std::size_t i = 0; i < cases.size(); ++i) {
    cases[i].ms = times[i];
    cases[i].peak = steps.Count(cases[i].step.planned);
  }
  const double noise = SameAgainstSame(times.front(), times.back());
  for (const StepCase& one : cases)
    rows.push_back(ToRow(space, batch, options.dtype, one, noise, limits));
  if (!options.json) PrintSpace(space, batch, options.dtype, cases, noise, limits);
}

void ProfileSpace(Workbench& bench, const SearchSpace& space, std::int64_t batch,
                  const BenchOptions& options, Json& rows, std::vector<RecordedStep>& recorded) {
  const std::vector<SearchStep> steps = WantedSteps(bench, space, batch, options);
  if (steps.empty()) return;
  for (RecordedStep& step :
       RecordSpace(bench, space, batch, steps, options.dtype, options.RoundsOr(kRounds))) {
    const StepProfile profile = Summarize(step);
    Json row = Json::parse(StepProfilesJson({&profile, 1}, options.trace))["steps"][0];
    row["batch"] = batch;
    rows.push_back(std::move(row));
    if (!options.json) fmt::print("{}", StepProfileText(profile));
    recorded.push_back(std::move(step));
  }
}

}  // namespace

std::vector<std::string> StepRowNames(const BenchOptions& options) {
  std::vector<std::string> names;
  for (const std::string& name : options.SpacesOr(BuiltinSpaceNames())) {
    const SearchSpace space = LoadSpace(name);
    for (const SearchStep& step : kSearchSteps) names.push_back(RowName(space, step));
    if (options.profile_step) continue;
    names.push_back(FixedNetworkRowName(space));
    if (options.peer != "pytorch") continue;
    for (std::string& row : PytorchRowNames(space)) names.push_back(std::move(row));
  }
  return names;
}

Json BenchStep(const BenchOptions& options) {
  Workbench bench(options.threads, options.device);
  const MachineLimits limits = MeasureLimits(bench.context());
  bench.allocator().ReleaseCached();
  Json document = MakeDocument("step", bench);
  document["limits"] = ToJson(limits);
  if (!options.json) {
    PrintMachine(bench);
    PrintLimits(limits);
  }
  bool has_peer = options.peer == "pytorch";
  std::vector<RecordedStep> recorded;
  for (const std::string& name : options.SpacesOr(BuiltinSpaceNames())) {
    const SearchSpace space = LoadSpace(name);
    if (options.deadline.passed()) {
      LeaveOut(space.name, kNoTimeLeft, document);
      continue;
    }
    const std::int64_t batch = BatchFor(space, options);
    Json& rows = document["rows"];
    if (options.profile_step) {
      ProfileSpace(bench, space, batch, options, rows, recorded);
    } else {
      TimeSpace(bench, space, batch, options, limits, rows);
      CompareFixedNetwork(bench, space, batch, options, rows);
      if (has_peer) has_peer = ComparePytorch(bench, space, batch, options, rows);
    }
    bench.allocator().ReleaseCached();
  }
  if (!options.trace.empty()) WriteFileAtomically(options.trace, ChromeTrace(recorded));
  RecordClocksAfter(bench, document);
  document["resident_peak_bytes"] = ResidentPeakBytes();
  if (!options.json) fmt::print("\nresident peak {}\n", FormatBytes(ResidentPeakBytes()));
  return document;
}

}  // namespace nasengine
