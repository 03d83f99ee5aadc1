// SPDX-License-Identifier: MIT
#include "bench/peak_peer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "bench/pytorch_peer.h"
#include "bench/step_peer.h"
#include "bench/step_server.h"
#include "bench/supernet_steps.h"
#include "nas/config/machine.h"
#include "nas/report/format.h"
#include "nas/space/architecture_file.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

// So much of what our step is planned to take has to be there for another framework to try it.
constexpr std::int64_t kWorthTrying = 4;

constexpr const char* kLayouts[] = {"nchw", "channels-last"};

struct PeakComparison {
  std::string version;
  std::int64_t ours = 0;
  std::int64_t peer[std::size(kLayouts)] = {};

  std::int64_t least() const { return *std::ranges::min_element(peer); }
  double over_ours() const { return static_cast<double>(least()) / static_cast<double>(ours); }
};

// The networks whose layers the other side holds: of the typical path, or of one path a candidate.
Json NetworksOf(const SearchSpace& space, const Path& typical, bool all_paths) {
  Json networks = Json::array();
  const auto add = [&](const Path& path) {
    networks.push_back(Json::parse(ArchitectureToJson(Derive(space, path))));
  };
  if (!all_paths) {
    add(typical);
    return networks;
  }
  for (std::size_t k = 0; k < MostCandidates(space); ++k) {
    Path path;
    for (const ChoiceNode* choice : space.Choices()) {
      path.push_back(static_cast<int>(std::min(k, choice->candidates.size() - 1)));
    }
    add(path);
  }
  return networks;
}

Path TypicalPath(Workbench& bench, const SearchSpace& space) {
  SupernetSteps steps(bench, space, 1, {});
  steps.TakeTypicalPath();
  return steps.path();
}

std::int64_t PeakOf(StepPeer& peer) {
  peer.Step();
  const std::optional<std::int64_t> peak = peer.PeakBytes();
  if (!peak) Throw(ErrorCode::kUnsupported, "it ended during its steps");
  return *peak;
}

// One space at one length of its lists on both sides.
class PeakBenchmark {
 public:
  PeakBenchmark(Workbench& bench, std::string name, const BenchOptions& options, int candidates)
      : bench_(bench),
        name_(std::move(name)),
        options_(options),
        candidates_(candidates),
        space_(WithCandidates(LoadSpace(name_), candidates)),
        typical_(TypicalPath(bench, space_)) {}

  PeakComparison Compare(std::int64_t batch, bool all_paths) const {
    PeakComparison comparison;
    const Json request{{"networks", NetworksOf(space_, typical_, all_paths)}, {"batch", batch}};
    for (std::size_t i = 0; i < std::size(kLayouts); ++i) {
      // Without the settings that keep large tensors mapped, which make steps faster and larger.
      StepPeer peer(
          PytorchCommand(bench_, options_, Name(options_.dtype), {"--layout", kLayouts[i]}), {},
          request.dump());
      comparison.version = peer.version();
      comparison.peer[i] = PeakOf(peer);
    }
    StepPeer ours(StepServer(), {},
                  RequestFor({.space = name_,
                              .candidates = candidates_,
                              .batch = batch,
                              .dtype = options_.dtype,
                              .path = all_paths ? Path() : typical_,
                              .threads = bench_.threads(),
                              .cores = bench_.cores()}));
    comparison.ours = PeakOf(ours);
    return comparison;
  }

  Json ToRow(std::int64_t batch, bool all_paths, const PeakComparison& c) const {
    return {{"name", RowName(batch, all_paths)},
            {"algorithm", "pytorch"},
            {"version", c.version},
            {"candidates", candidates_},
            {"batch", batch},
            {"dtype", Name(options_.dtype)},
            {"space", space_.name},
            {"step", "weights"},
            {"path", PathName(all_paths)},
            {"peak_bytes", c.least()},
            {"nchw_peak_bytes", c.peer[0]},
            {"channels_last_peak_bytes", c.peer[1]},
            {"ours_peak_bytes", c.ours},
            {"peak_over_ours", c.over_ours()}};
  }

  std::string RowName(std::int64_t batch, bool all_paths) const {
    return fmt::format("{} pytorch weights {} {} {}", space_.name, PathName(all_paths), candidates_,
                       batch);
  }

  void PrintHeader(const std::string& version) const {
    fmt::print(
        "\n{}, {} candidates, {}: a process's peak above its start in weight steps, PyTorch {} "
        "beside ours\n  {:>4} {:<10}{:>14}{:>16}{:>12}{:>8}\n",
        space_.name, candidates_, Name(options_.dtype), version, "n", "path", "eager nchw",
        "channels-last", "ours", "/ ours");
  }

  static void Print(std::int64_t batch, bool all_paths, const PeakComparison& c) {
    fmt::print("  {:>4} {:<10}{:>14}{:>16}{:>12}{:>8.2f}\n", batch, PathName(all_paths),
               FormatBytes(c.peer[0]), FormatBytes(c.peer[1]), FormatBytes(c.ours), c.over_ours());
    std::fflush(stdout);
  }

 private:
  static const char* PathName(bool all_paths) { return all_paths ? "all" : "typical"; }

  Workbench& bench_;
  const std::string name_;
  const BenchOptions& options_;
  const int candidates_;
  const SearchSpace space_;
  const Path typical_;
};

bool IsWorthTrying(const MemoryPoint& point, bool all_paths) {
  const MemoryCase& ours = all_paths
                               ? FindCase(point.cases, "darts weights", CasePath::kAll)
                               : FindCase(point.cases, "proxyless-g weights", CasePath::kLargest);
  return kWorthTrying * ours.planned.peak <= DefaultMemoryBudget();
}

}  // namespace

bool ComparePeaksWithPytorch(Workbench& bench, const std::string& name,
                             std::span<const MemoryPoint> points, const BenchOptions& options,
                             Json& rows) {
  bool printed = false;
  for (const MemoryPoint& point : points) {
    const PeakBenchmark benchmark(bench, name, options, point.candidates);
    for (const bool all_paths : {false, true}) {
      const std::string row = benchmark.RowName(point.batch, all_paths);
      if (!IsWorthTrying(point, all_paths)) {
        fmt::print(stderr, "{}: left out: it may not fit into memory\n", row);
        continue;
      }
      try {
        const PeakComparison comparison = benchmark.Compare(point.batch, all_paths);
        rows.push_back(benchmark.ToRow(point.batch, all_paths, comparison));
        if (options.json) continue;
        if (!printed) benchmark.PrintHeader(comparison.version);
        printed = true;
        PeakBenchmark::Print(point.batch, all_paths, comparison);
      } catch (const Error& error) {
        fmt::print(stderr, "{}: left out: {}\n", row, error.what());
        if (IsWithoutPytorch(error)) return false;
      }
    }
  }
  return true;
}

}  // namespace nasengine
