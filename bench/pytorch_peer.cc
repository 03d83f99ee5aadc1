// SPDX-License-Identifier: MIT
#include "bench/pytorch_peer.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "bench/document.h"
#include "bench/harness.h"
#include "bench/step_peer.h"
#include "bench/supernet_steps.h"
#include "nas/report/format.h"
#include "nas/space/architecture_file.h"
#include "nas/space/counts.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kScript[] = NASENGINE_PEERS "/pytorch_step.py";
constexpr int kRounds = 9;
// By then the threads of whoever worked before have stopped waiting for more at full speed.
constexpr double kPauseMs = 20;

struct Variant {
  const char* name;
  const char* dtype;
  std::vector<std::string> words;
};

std::vector<Variant> Variants() {
  std::vector<Variant> variants;
  for (const char* dtype : {"f32", "bf16"}) {
    variants.push_back({"eager nchw", dtype, {"--layout", "nchw"}});
    variants.push_back({"eager channels-last", dtype, {"--layout", "channels-last"}});
    variants.push_back({"compiled nchw", dtype, {"--layout", "nchw", "--compile"}});
    variants.push_back(
        {"compiled channels-last", dtype, {"--layout", "channels-last", "--compile"}});
  }
  return variants;
}

std::string RowName(const SearchSpace& space, const Variant& variant) {
  return fmt::format("{} pytorch {} {}", space.name, variant.name, variant.dtype);
}

// Large tensors stay mapped between steps, which makes PyTorch's steps up to 1.5 times as fast.
std::vector<std::string> Environment() {
  return {"MALLOC_MMAP_THRESHOLD_=4294967296", "MALLOC_TRIM_THRESHOLD_=4294967296"};
}

// Our side: the supernet with everything that a step needs, and the process's peak above what it
// had before.
class OurStep {
 public:
  OurStep(Workbench& bench, const SearchSpace& space, std::int64_t batch, DType dtype)
      : bench_(bench), dtype_(dtype) {
    bench.allocator().ReleaseCached();
    ResetResidentPeak();
    const std::int64_t start_bytes = ResidentPeakBytes();
    const PlannedStep weights[] = {PlannedStep::kWeights};
    steps_.emplace(bench, space, batch, weights, dtype);
    steps_->TakeTypicalPath();
    Run();
    Run();
    peak_bytes_ = ResidentPeakBytes() - start_bytes;
  }

  void Run() { steps_->Run(bench_.context(), PlannedStep::kWeights); }
  const Path& path() const { return steps_->path(); }
  DType dtype() const { return dtype_; }
  std::int64_t peak_bytes() const { return peak_bytes_; }

 private:
  Workbench& bench_;
  DType dtype_;
  std::optional<SupernetSteps> steps_;
  std::int64_t peak_bytes_ = 0;
};

struct Comparison {
  std::string version;
  RobustSummary ours;
  RobustSummary peer;
  std::int64_t peer_peak_bytes = 0;
};

// Throws kUnsupported or kNotFound where PyTorch cannot do it.
Comparison Compare(OurStep& ours, const std::vector<std::string>& command,
                   const std::string& request, int rounds) {
  StepPeer peer(command, Environment(), request);
  const std::vector<Contender> contenders{{"ours", [&ours] { ours.Run(); }},
                                          {"peer", [&peer] { peer.Step(); }}};
  const std::vector<RobustSummary> times = TimeInterleaved(
      contenders,
      {.min_rounds = rounds, .max_rounds = rounds, .min_sample_ms = 0, .pause_ms = kPauseMs});
  const std::optional<std::int64_t> peak = peer.PeakBytes();
  if (!peak) Throw(ErrorCode::kUnsupported, "it ended during its steps");
  return {.version = peer.version(), .ours = times[0], .peer = times[1], .peer_peak_bytes = *peak};
}

void PrintHeader(const SearchSpace& space, const OurStep& ours, std::int64_t batch) {
  const Counts counts = CountNetwork(Derive(space, ours.path()));
  fmt::print(
      "\n{}, batch {}: a weight step of one path ({} MACs), ours in {}, in turn with PyTorch's\n",
      space.name, batch, FormatCount(counts.macs), Name(ours.dtype()));
  fmt::print("  {:<34}{:>9}{:>6}{:>9}{:>6}{:>8}{:>12}{:>8}\n", "PyTorch", "ms", "±%", "ours ms",
             "±%", "/ ours", "peak", "/ ours");
}

void Print(const Variant& variant, const Comparison& c, std::int64_t our_peak) {
  const auto spread = [](const RobustSummary& s) { return 100 * s.mad / s.median; };
  fmt::print("  {:<34}{:>9.1f}{:>6.1f}{:>9.1f}{:>6.1f}{:>8.2f}{:>12}{:>8.2f}\n",
             fmt::format("{} {} {}", c.version, variant.name, variant.dtype), c.peer.median,
             spread(c.peer), c.ours.median, spread(c.ours), c.peer.median / c.ours.median,
             FormatBytes(c.peer_peak_bytes),
             static_cast<double>(c.peer_peak_bytes) / static_cast<double>(our_peak));
  std::fflush(stdout);
}

Json ToRow(const SearchSpace& space, std::int64_t batch, const Variant& variant,
           const Comparison& c, const OurStep& ours) {
  return {{"name", RowName(space, variant)},
          {"algorithm", "pytorch"},
          {"version", c.version},
          {"batch", batch},
          {"dtype", variant.dtype},
          {"step_ms", c.peer.median},
          {"mad_ms", c.peer.mad},
          {"ours_dtype", Name(ours.dtype())},
          {"ours_ms", c.ours.median},
          {"ours_mad_ms", c.ours.mad},
          {"rounds", c.peer.count},
          {"step_over_ours", c.peer.median / c.ours.median},
          {"peak_bytes", c.peer_peak_bytes},
          {"ours_peak_bytes", ours.peak_bytes()}};
}

}  // namespace

std::vector<std::string> PytorchCommand(const Workbench& bench, const BenchOptions& options,
                                        const std::string& dtype,
                                        const std::vector<std::string>& words) {
  std::vector<std::string> command{options.python, kScript,
                                   "--threads",    std::to_string(bench.threads()),
                                   "--cores",      fmt::format("{}", fmt::join(bench.cores(), ",")),
                                   "--dtype",      dtype};
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

bool IsWithoutPytorch(const Error& error) {
  // As the script says it.
  return error.code() == ErrorCode::kNotFound ||
         std::string_view(error.what()).starts_with("no PyTorch");
}

std::vector<std::string> PytorchRowNames(const SearchSpace& space) {
  std::vector<std::string> names;
  for (const Variant& variant : Variants()) names.push_back(RowName(space, variant));
  return names;
}

bool ComparePytorch(Workbench& bench, const SearchSpace& space, std::int64_t batch,
                    const BenchOptions& options, Json& rows) {
  const std::regex filter(options.filter);
  std::vector<Variant> wanted;
  for (Variant& variant : Variants()) {
    if (std::regex_search(RowName(space, variant), filter)) wanted.push_back(std::move(variant));
  }
  if (wanted.empty()) return true;
  OurStep ours(bench, space, batch, options.dtype);
  const Json network = Json::parse(ArchitectureToJson(Derive(space, ours.path())));
  const Json request{{"networks", Json::array({network})}, {"batch", batch}};
  const int rounds = options.RoundsOr(kRounds);
  bool printed = false;
  for (const Variant& variant : wanted) {
    try {
      const Comparison comparison =
          Compare(ours, PytorchCommand(bench, options, variant.dtype, variant.words),
                  request.dump(), rounds);
      rows.push_back(ToRow(space, batch, variant, comparison, ours));
      if (options.json) continue;
      if (!printed) PrintHeader(space, ours, batch);
      printed = true;
      Print(variant, comparison, ours.peak_bytes());
    } catch (const Error& error) {
      fmt::print(stderr, "{}: left out: {}\n", RowName(space, variant), error.what());
      // The others would say the same.
      if (IsWithoutPytorch(error)) return false;
    }
  }
  if (printed) {
    fmt::print("  ours above its start: {}, with the weights of all candidates\n",
               FormatBytes(ours.peak_bytes()));
  }
  return true;
}

}  // namespace nasengine
