// `bench memory`: one path against all candidates weighted, on the same nodes, as candidates are
// added and as the batch grows.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>

#include "bench/commands.h"
#include "bench/document.h"
#include "bench/harness.h"
#include "bench/kept_bytes.h"
#include "bench/memory_cases.h"
#include "bench/memory_chart.h"
#include "bench/peak_peer.h"
#include "bench/supernet_steps.h"
#include "kernels/core/file_io.h"
#include "nas/report/format.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFewestCandidates = 2;
constexpr int kMostCandidates = 7;
// Lists without Zero, in which every block has as many candidates: what the answer is given for.
constexpr int kAnswerCandidates = 6;
constexpr int kRounds = 2;
constexpr std::int64_t kLargeImagePixels = 64 * 64;
// Steps are really taken at the first batch, and planned at the others too.
constexpr std::int64_t kSmallImageBatches[] = {32, 128, 512};
constexpr std::int64_t kLargeImageBatches[] = {8, 32, 128};

std::vector<std::int64_t> BatchesOf(const SearchSpace& space, const BenchOptions& options) {
  if (options.batch > 0) return {options.batch};
  if (space.input.h * space.input.w > kLargeImagePixels) {
    return {std::begin(kLargeImageBatches), std::end(kLargeImageBatches)};
  }
  return {std::begin(kSmallImageBatches), std::end(kSmallImageBatches)};
}

double Ratio(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

// What a plan has to agree with a count in: vendors ask for other workspace on other machines.
std::int64_t WithoutWorkspace(const MemoryPlan& plan) { return plan.peak - plan.workspace; }

// What only the bench holds.
MemoryPlan WithoutImages(MemoryPlan counted) {
  counted.peak -= counted.data;
  counted.data = 0;
  return counted;
}

// Takes the steps that have a path of their own: interleaved for their times, then each alone on
// memory that nothing has touched for its bytes.
void Measure(Workbench& bench, const SearchSpace& space, DType dtype, int rounds,
             MemoryPoint& point) {
  std::vector<MemoryCase*> real;
  std::vector<PlannedStep> kinds;
  for (MemoryCase& one : point.cases) {
    if (one.path == CasePath::kMean) continue;
    real.push_back(&one);
    kinds.push_back(one.step.planned);
  }
  const Path largest = MostKeepingPath(space);
  {
    SupernetSteps steps(bench, space, point.batch, kinds, dtype);
    steps.SetPath(largest);
    std::vector<Contender> contenders;
    for (const MemoryCase* one : real) {
      contenders.push_back(
          {NameOf(one->step), [&, kind = one->step.planned] { steps.Run(bench.context(), kind); }});
    }
    const std::vector<RobustSummary> times = TimeInterleaved(
        contenders,
        {.min_rounds = rounds, .max_rounds = rounds, .min_sample_ms = 0, .device = bench.clock()});
    for (std::size_t i = 0; i < real.size(); ++i) {
      real[i]->measured = MeasuredStep{.counted = {}, .ms = times[i].median};
    }
  }
  for (MemoryCase* one : real) {
    bench.allocator().ReleaseCached();
    ResetResidentPeak();
    SupernetSteps steps(bench, space, point.batch, {&one->step.planned, 1}, dtype);
    steps.SetPath(largest);
    one->measured->counted = WithoutImages(steps.Count(one->step.planned));
    one->measured->resident_bytes = ResidentPeakBytes();
  }
  bench.allocator().ReleaseCached();
}

void PrintHeader(const SearchSpace& space, DType dtype) {
  fmt::print("\n{} {}, {}\n  {:>2} {:>4} {:<29}{:<8}{:>11}{:>12}{:>11}{:>7}{:>7}{:>7}{:>11}{:>9}\n",
             space.name, ToString(space.input), Name(dtype), "k", "n", "step", "path", "peak",
             "activations", "workspace", "/darts", "/model", "/count", "resident", "step ms");
}

void PrintPoint(const MemoryPoint& point) {
  const MemoryPlan& all = FindCase(point.cases, "darts weights", CasePath::kAll).planned;
  const auto ratio = [](std::int64_t part, std::int64_t whole) {
    return fmt::format("{:.3f}", Ratio(part, whole));
  };
  for (const MemoryCase& one : point.cases) {
    const MemoryPlan& plan = one.planned;
    const std::optional<MeasuredStep>& real = one.measured;
    fmt::print("  {:>2} {:>4} {:<29}{:<8}{:>11}{:>12}{:>11}{:>7}{:>7}{:>7}{:>11}{:>9}\n",
               point.candidates, point.batch, NameOf(one.step), NameOf(one.path),
               FormatBytes(plan.peak), FormatBytes(plan.activations), FormatBytes(plan.workspace),
               ratio(plan.activations, all.activations), ratio(plan.activations, one.kept_bytes),
               real ? ratio(WithoutWorkspace(plan), WithoutWorkspace(real->counted)) : "-",
               real ? FormatBytes(real->resident_bytes) : "-",
               real ? fmt::format("{:.1f}", real->ms) : "-");
  }
  std::fflush(stdout);
}

Json ToJson(const MemoryPlan& plan) {
  return {{"weights", plan.weights},
          {"gradients", plan.gradients},
          {"optimizer", plan.optimizer},
          {"activations", plan.activations},
          {"workspace", plan.workspace},
          {"data", plan.data},
          {"peak", plan.peak}};
}

void AppendRows(const SearchSpace& space, DType dtype, const MemoryPoint& point, Json& rows) {
  const MemoryPlan& all = FindCase(point.cases, "darts weights", CasePath::kAll).planned;
  for (const MemoryCase& one : point.cases) {
    const std::optional<MeasuredStep>& real = one.measured;
    rows.push_back({{"name", StrCat(space.name, " ", NameOf(one.step), " ", NameOf(one.path), " ",
                                    point.candidates, " ", point.batch)},
                    {"algorithm", one.step.algorithm},
                    {"candidates", point.candidates},
                    {"batch", point.batch},
                    {"dtype", Name(dtype)},
                    {"peak_bytes", one.planned.peak},
                    {"step_ms", real ? Json(real->ms) : Json()},
                    {"space", space.name},
                    {"step", one.step.trains},
                    {"path", NameOf(one.path)},
                    {"activation_bytes", one.planned.activations},
                    {"model_activation_bytes", one.kept_bytes},
                    {"planned", ToJson(one.planned)},
                    {"counted", real ? ToJson(real->counted) : Json()},
                    {"resident_peak_bytes", real ? Json(real->resident_bytes) : Json()},
                    {"activations_over_darts", Ratio(one.planned.activations, all.activations)},
                    {"peak_over_darts", Ratio(one.planned.peak, all.peak)}});
  }
}

struct Answer {
  SearchSpace space;
  std::int64_t batch = 0;
  ShareOfAllPaths share;
  // Activations of all paths, all of every block computed again, over those of the largest path
  // kept.
  double recomputed_over_path = 0;
};

Json ToJson(const Answer& answer) {
  const ShareOfAllPaths& share = answer.share;
  return {{"space", answer.space.name},
          {"candidates", kAnswerCandidates},
          {"batch", answer.batch},
          {"mean_activations_over_darts", share.mean_activations},
          {"largest_activations_over_darts", share.largest_activations},
          {"mean_peak_over_darts", share.mean_peak},
          {"largest_peak_over_darts", share.largest_peak},
          {"darts_recomputed_over_largest_kept", answer.recomputed_over_path}};
}

void PrintAnswer(const Answer& answer, int drawn_paths) {
  const ShareOfAllPaths& share = answer.share;
  fmt::print(
      "{} {}, {} candidates, batch {}: a weight step of one path keeps {:.3f} of the activations "
      "that DARTS keeps (mean of {} drawn paths; {:.1f} times less), {:.3f} along the largest path "
      "({:.1f} times less); of the whole peak, all weights included, it takes {:.3f} and {:.3f}.\n",
      answer.space.name, ToString(answer.space.input), kAnswerCandidates, answer.batch,
      share.mean_activations, drawn_paths, 1 / share.mean_activations, share.largest_activations,
      1 / share.largest_activations, share.mean_peak, share.largest_peak);
  fmt::print(
      "With every block computed again in the backward pass, DARTS keeps {:.3f} of what the "
      "largest path keeps.\n",
      answer.recomputed_over_path);
}

class MemoryBenchmark {
 public:
  explicit MemoryBenchmark(const BenchOptions& options)
      : options_(options),
        bench_(options.threads, options.device),
        document_(MakeDocument("memory", bench_)) {}

  Json Run() {
    if (!options_.json) PrintMachine(bench_);
    const std::regex filter(options_.filter);
    for (const std::string& name : options_.SpacesOr(BuiltinSpaceNames())) {
      const SearchSpace space = LoadSpace(name);
      if (!std::regex_search(space.name, filter)) continue;
      if (options_.deadline.passed()) {
        LeaveOut(space.name, kNoTimeLeft, document_);
      } else {
        RunSpace(name, space);
      }
    }
    RecordClocksAfter(bench_, document_);
    if (!options_.svg.empty() && !panels_.empty()) {
      WriteFileAtomically(options_.svg, ToSvg(MemoryChart(std::move(panels_))));
    }
    document_["answers"] = Json::array();
    for (const Answer& answer : answers_) document_["answers"].push_back(ToJson(answer));
    document_["resident_peak_bytes"] = std::max(resident_peak_bytes_, ResidentPeakBytes());
    if (!options_.json) Conclude();
    return std::move(document_);
  }

 private:
  void RunSpace(const std::string& name, const SearchSpace& space) {
    if (!options_.json) PrintHeader(space, options_.dtype);
    const std::vector<std::int64_t> batches = BatchesOf(space, options_);
    std::vector<MemoryPoint> points;
    std::vector<MemoryPoint> compared;  // with a peer
    for (int candidates = kFewestCandidates; candidates <= kMostCandidates; ++candidates) {
      points.push_back(RunPoint(space, candidates, batches.front(), true));
      if (candidates == kAnswerCandidates) {
        answers_.push_back({space, batches.front(), CompareWithAllPaths(points.back().cases),
                            RecomputedOverPath(space, points.back())});
        compared.push_back(points.back());
      }
    }
    panels_.push_back(MemoryPanel(space, points));
    for (std::size_t i = 1; i < batches.size(); ++i) {
      compared.push_back(RunPoint(space, kAnswerCandidates, batches[i], false));
    }
    bench_.allocator().ReleaseCached();
    has_peer_ =
        has_peer_ && ComparePeaksWithPytorch(bench_, name, compared, options_, document_["rows"]);
  }

  double RecomputedOverPath(const SearchSpace& space, const MemoryPoint& point) {
    const RecomputePolicy everything(space.nodes.size(), Recompute::kAll);
    const MemoryPlan all = PlanStep(WithCandidates(space, point.candidates), {}, bench_.registry(),
                                    {.batch = point.batch,
                                     .dtype = options_.dtype,
                                     .recompute = everything,
                                     .step = PlannedStep::kAllPaths,
                                     .threads = bench_.threads(),
                                     .policy = bench_.context().policy(),
                                     .device = &bench_.backend()});
    return Ratio(
        all.activations,
        FindCase(point.cases, "proxyless-g weights", CasePath::kLargest).planned.activations);
  }

  MemoryPoint RunPoint(const SearchSpace& space, int candidates, std::int64_t batch, bool real) {
    const SearchSpace shorter = WithCandidates(space, candidates);
    const CaseOptions case_options{.batch = batch,
                                   .dtype = options_.dtype,
                                   .threads = bench_.threads(),
                                   .policy = bench_.context().policy(),
                                   .device = &bench_.backend()};
    MemoryPoint point{candidates, batch, PlanCases(shorter, bench_.registry(), case_options)};
    const MemoryPlan& all = FindCase(point.cases, "darts weights", CasePath::kAll).planned;
    if (real && all.peak <= bench_.memory_budget()) {
      Measure(bench_, shorter, options_.dtype, options_.RoundsOr(kRounds), point);
    }
    for (const MemoryCase& one : point.cases) {
      if (one.measured) {
        resident_peak_bytes_ = std::max(resident_peak_bytes_, one.measured->resident_bytes);
      }
    }
    AppendRows(space, options_.dtype, point, document_["rows"]);
    if (!options_.json) PrintPoint(point);
    return point;
  }

  void Conclude() const {
    fmt::print("\nresident peak {}\n\nHow much memory does one path save against DARTS?\n",
               FormatBytes(document_["resident_peak_bytes"].get<std::int64_t>()));
    for (const Answer& answer : answers_) PrintAnswer(answer, CaseOptions().drawn_paths);
  }

  const BenchOptions& options_;
  bool has_peer_ = options_.peer == "pytorch";
  Workbench bench_;
  Json document_;
  std::vector<Answer> answers_;
  std::vector<ChartPanel> panels_;
  std::int64_t resident_peak_bytes_ = 0;
};

}  // namespace

std::vector<std::string> MemoryRowNames(const BenchOptions& options) {
  std::vector<std::string> names;
  for (const std::string& name : options.SpacesOr(BuiltinSpaceNames())) {
    names.push_back(LoadSpace(name).name);
  }
  return names;
}

Json BenchMemory(const BenchOptions& options) {
  if (!options.svg.empty()) CheckFolderOf("--svg", options.svg);
  return MemoryBenchmark(options).Run();
}

}  // namespace nasengine
