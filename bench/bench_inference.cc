// `bench inference`: the published networks as shipped, batch norms folded, on one thread and on
// all; beside ONNX Runtime where it is asked for.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>

#include "bench/commands.h"
#include "bench/document.h"
#include "bench/harness.h"
#include "bench/onnxruntime_peer.h"
#include "nas/deploy/fold.h"
#include "nas/deploy/runner.h"
#include "nas/report/format.h"
#include "nas/space/counts.h"
#include "nas/space/network_zoo.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kRounds = 9;
constexpr std::uint32_t kSeed = 1;
// Batches computed in a row in one sample, so that a question to the other process, some tens of
// microseconds, does not count.
constexpr int kRunsPerSample = 10;
// By then the threads of whoever worked before have stopped waiting for more at full speed, which
// those of ONNX Runtime do for 38 ms.
constexpr double kPauseMs = 60;

struct PeerTime {
  std::string version;
  double largest_difference = 0;
  RobustSummary ms;
};

struct NetworkTime {
  std::string name;
  std::string network;
  int threads = 0;
  std::int64_t batch = 0;
  std::int64_t macs = 0;  // of the batch
  std::int64_t buffer_bytes = 0;
  RobustSummary ms;
  double noise = 0;
  std::optional<PeerTime> peer;

  double gflops() const { return 2e-6 * static_cast<double>(macs) / ms.median; }
};

Json ToRow(const NetworkTime& time) {
  Json row = {{"name", time.name},
              {"network", time.network},
              {"threads", time.threads},
              {"batch", time.batch},
              {"ms", time.ms.median},
              {"mad_ms", time.ms.mad},
              {"noise", time.noise},
              {"rounds", time.ms.count},
              {"macs", time.macs},
              {"gflops", time.gflops()},
              {"buffer_bytes", time.buffer_bytes}};
  if (!time.peer) return row;
  row["peer"] = "onnxruntime " + time.peer->version;
  row["peer_ms"] = time.peer->ms.median;
  row["peer_mad_ms"] = time.peer->ms.mad;
  row["ms_over_peer"] = time.ms.median / time.peer->ms.median;
  row["largest_difference"] = time.peer->largest_difference;
  return row;
}

void PrintHeader(const Workbench& bench, std::int64_t batch, bool has_peer) {
  fmt::print("\n{} thread(s), batch {}\n  {:<24}{:>9}{:>6}{:>7}{:>9}{:>8}{:>12}", bench.threads(),
             batch, "network", "ms", "±%", "s/s%", "M MACs", "GF/s", "buffers");
  fmt::print("{}\n", has_peer ? fmt::format("{:>10}{:>6}{:>7}", "ORT ms", "±%", "/ ORT") : "");
}

void Print(const NetworkTime& time) {
  const auto spread = [](const RobustSummary& s) { return 100 * s.mad / s.median; };
  fmt::print("  {:<24}{:>9.3f}{:>6.1f}{:>7.1f}{:>9.1f}{:>8.1f}{:>12}", time.network, time.ms.median,
             spread(time.ms), 100 * time.noise, static_cast<double>(time.macs) / 1e6, time.gflops(),
             FormatBytes(time.buffer_bytes));
  if (time.peer) {
    fmt::print("{:>10.3f}{:>6.1f}{:>7.2f}", time.peer->ms.median, spread(time.peer->ms),
               time.ms.median / time.peer->ms.median);
  }
  fmt::print("\n");
  std::fflush(stdout);
}

std::string RowName(const std::string& network, int threads) {
  return fmt::format("{} {} thread(s)", network, threads);
}

// The larger team first: a thread that is pinned to a core may use no other afterwards.
std::vector<int> TeamsOf(const BenchOptions& options) {
  std::vector<int> teams{options.threads};
  // The host's threads do nothing for another device.
  if (options.threads > 1 && options.device == "cpu") teams.push_back(1);
  return teams;
}

// The medians of ours, the peer's (where there is one) and ours again, a run each.
std::vector<RobustSummary> TimeInTurn(Workbench& bench, FoldedRunner& runner, const Tensor& images,
                                      OnnxRuntimePeer* peer, int rounds) {
  const auto ours = [&] {
    for (int i = 0; i < kRunsPerSample; ++i) runner.Run(images);
  };
  std::vector<Contender> contenders{{"ours", ours}, {"ours again", ours}};
  bool answers = true;
  if (peer != nullptr) {
    contenders.push_back({"peer", [&] { answers = answers && peer->Run(kRunsPerSample); }});
  }
  std::vector<RobustSummary> times =
      TimeInterleaved(contenders, {.min_rounds = rounds,
                                   .max_rounds = rounds,
                                   .min_sample_ms = 0,
                                   .pause_ms = bench.on_cpu() ? kPauseMs : 0,
                                   .device = bench.clock()});
  NAS_CHECK(answers, "--peer onnxruntime: it ended during its runs");
  for (RobustSummary& time : times) {
    time.median /= kRunsPerSample;
    time.mad /= kRunsPerSample;
    time.min /= kRunsPerSample;
  }
  return times;
}

// `has_peer` becomes false where there is no ONNX Runtime.
NetworkTime TimeNetwork(Workbench& bench, const NetworkDesc& desc, const std::string& name,
                        const BenchOptions& options, bool& has_peer) {
  Context& context = bench.context();
  const std::int64_t batch = options.batch > 0 ? options.batch : 1;
  Network network(context, desc);
  network.Initialize(kSeed);
  const FoldedGraph graph = Fold(context, network);
  FoldedRunner runner(context, graph, batch);
  const Tensor images = bench.Random(runner.input_shape(), kSeed);
  std::unique_ptr<OnnxRuntimePeer> peer;
  if (has_peer) {
    const ConstView logits = runner.Run(images);
    const Tensor kept = context.Empty(logits.shape, DType::kF32, MemoryCategory::kData);
    bench.backend().CopyOnDevice(kept.data(), logits.data,
                                 static_cast<std::size_t>(logits.bytes()));
    std::string why;
    peer = OnnxRuntimePeer::Start(bench, {desc, graph, images, kept}, options.python, why);
    if (peer == nullptr) fmt::print(stderr, "{}: peer left out: {}\n", name, why);
    has_peer = peer != nullptr || !IsMissing(why);
  }
  const int rounds = options.RoundsOr(kRounds);
  const std::vector<RobustSummary> times = TimeInTurn(bench, runner, images, peer.get(), rounds);
  NetworkTime time{.name = name,
                   .network = desc.name,
                   .threads = bench.threads(),
                   .batch = batch,
                   .macs = batch * CountNetwork(desc).macs,
                   .buffer_bytes = runner.buffer_bytes(),
                   .ms = times[0],
                   .noise = SameAgainstSame(times[0], times[1]),
                   .peer = {}};
  if (peer != nullptr) {
    time.peer = PeerTime{peer->version(), peer->largest_difference(), times[2]};
  }
  return time;
}

}  // namespace

std::vector<std::string> InferenceRowNames(const BenchOptions& options) {
  std::vector<std::string> names;
  for (const int threads : TeamsOf(options)) {
    for (const std::string& network : BuiltinNetworkNames()) {
      names.push_back(RowName(network, threads));
    }
  }
  return names;
}

Json BenchInference(const BenchOptions& options) {
  const std::regex filter(options.filter);
  bool has_peer = options.peer == "onnxruntime";
  Json document;
  for (const int threads : TeamsOf(options)) {
    Workbench bench(threads, options.device);
    if (document.empty()) {
      document = MakeDocument("inference", bench);
      if (!options.json) PrintMachine(bench);
    }
    bool printed = options.json;
    for (const std::string& network : BuiltinNetworkNames()) {
      const std::string name = RowName(network, threads);
      if (!std::regex_search(name, filter)) continue;
      if (options.deadline.passed()) {
        LeaveOut(name, kNoTimeLeft, document);
        continue;
      }
      const NetworkTime time = TimeNetwork(bench, LoadNetwork(network), name, options, has_peer);
      document["rows"].push_back(ToRow(time));
      if (!printed) PrintHeader(bench, time.batch, time.peer.has_value());
      printed = true;
      if (!options.json) Print(time);
    }
    RecordClocksAfter(bench, document);
  }
  return document;
}

}  // namespace nasengine
