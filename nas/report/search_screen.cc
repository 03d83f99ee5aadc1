// SPDX-License-Identifier: MIT
#include "nas/report/search_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

#include "nas/report/format.h"
#include "nas/space/counts.h"

namespace nasengine {
namespace {

constexpr int kBarColumns = 30;
// A table is taken to hold still where its layers, timed again, come within this factor.
constexpr double kSteadyMachine = 1.25;

std::string Operation(const LayerDesc& layer) {
  const std::string stride = layer.stride > 1 ? fmt::format(", stride {}", layer.stride) : "";
  switch (layer.op) {
    case LayerOp::kConv:
      return fmt::format("{0}x{0} conv{1}", layer.kernel, stride);
    case LayerOp::kMbconv:
      return fmt::format("{0}x{0} MBConv{1}{2}{3}", layer.kernel, layer.expand, stride,
                         HasResidual(layer) ? " + x" : "");
    case LayerOp::kZero:
      return "skipped";
    case LayerOp::kClassifier:
      break;
  }
  return "pool, linear";
}

std::string Line(std::string_view what, const std::string& text) {
  return fmt::format("  {:<13}{}\n", what, text);
}

// `what` before the first line of `text`, which is broken between words at the screen's width.
std::string Paragraph(std::string_view what, const std::string& text) {
  constexpr std::size_t kTextColumns = 84;
  std::string lines;
  std::string line;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!line.empty() && line.size() + 1 + word.size() > kTextColumns) {
      lines += Line(lines.empty() ? what : "", std::exchange(line, {}));
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return lines + Line(lines.empty() ? what : "", line);
}

std::string Percent(double value) { return fmt::format("{:.2f} %", value); }

std::string AccuracyLines(const SearchSummary& summary) {
  const std::string trained =
      summary.test_top1.has_value() && summary.validation_top1.has_value()
          ? fmt::format("test {} (looked at once), held-out {}", Percent(*summary.test_top1),
                        Percent(*summary.validation_top1))
          : "not tested, stopped before";
  return Line("accuracy", trained) +
         Line("", fmt::format("with the search's shared weights, before training, held-out {}",
                              Percent(summary.supernet_top1)));
}

// Why the measured latency is not the predicted one, where the layers themselves have changed.
std::string ChangeSinceTable(const SearchSummary& summary) {
  const LatencySummary& latency = summary.latency_ms;
  if (!(latency.predicted > 0)) return "";
  const double ratio = latency.sum_of_layers / latency.predicted;
  if (ratio > 1 / kSteadyMachine && ratio < kSteadyMachine) return "";
  const double factor = std::max(ratio, 1 / ratio);
  const std::string times =
      factor < 10 ? fmt::format("{:.1f}", factor) : fmt::format("{:.0f}", factor);
  const std::string_view speed = ratio > 1 ? "slow" : "fast";
  if (latency.table != "measured") {
    return fmt::format(
        ": {} times as {} as in the table, which may be of another time, build or kernels", times,
        speed);
  }
  std::string text =
      fmt::format(": this machine is {} times as {} as when the table was measured", times, speed);
  if (ratio > 1) {
    text += "; other programs on its cores do that";
    if (summary.threads > 1) text += ", to several --threads more than to one";
  }
  return text;
}

std::string LatencyLines(const SearchSummary& summary) {
  const LatencySummary& latency = summary.latency_ms;
  if (latency.table.empty() && latency.predicted <= 0) return "";
  std::string measured = summary.stopped ? "not measured (stopped before)"
                         : latency.cost.is_latency()
                             ? "not measured (the table is not of this device and as many threads)"
                             : "latency not measured";
  if (latency.measured > 0) {
    measured =
        fmt::format("measured {} +- {:.2g}", FormatMs(latency.measured), latency.measured_mad);
  }
  std::string text =
      Line(latency.cost.name,
           fmt::format("expected {}, predicted {}, {}", FormatCost(latency.expected, latency.cost),
                       FormatCost(latency.predicted, latency.cost), measured));
  text += Line("", fmt::format("at the start expected {}; reference {}; table: {}",
                               FormatCost(latency.initial_expected, latency.cost),
                               FormatCost(latency.reference, latency.cost), latency.table));
  if (latency.measured > 0) {
    text += Paragraph("", fmt::format("its layers, timed beside it, take {}{}",
                                      FormatMs(latency.sum_of_layers), ChangeSinceTable(summary)));
  }
  return text;
}

std::string EntropyLine(const SearchSummary& summary) {
  std::string share;
  if (summary.initial_entropy > 0) {
    share = fmt::format(" ({:.0f} % of the start)",
                        100.0 * summary.final_entropy / summary.initial_entropy);
  }
  return Line("entropy", fmt::format("{:.3f} -> {:.3f} nats a block{}", summary.initial_entropy,
                                     summary.final_entropy, share));
}

std::string MemoryLine(const SearchSummary& summary) {
  std::string text = fmt::format("peak {}", FormatBytes(summary.peak_bytes.total));
  if (summary.all_paths_peak_bytes > 0 && summary.planned_peak_bytes > 0) {
    text += fmt::format("; planned {} with one path, {} with all paths, {:.1f} times",
                        FormatBytes(summary.planned_peak_bytes),
                        FormatBytes(summary.all_paths_peak_bytes),
                        static_cast<double>(summary.all_paths_peak_bytes) /
                            static_cast<double>(summary.planned_peak_bytes));
  }
  return Line("memory", text);
}

std::string TimeLines(const PhaseSeconds& seconds) {
  std::string text =
      Line("time", fmt::format("profile {}, warm-up {}, search {}, training {}, total {}",
                               FormatSeconds(seconds.profile), FormatSeconds(seconds.warmup),
                               FormatSeconds(seconds.search), FormatSeconds(seconds.train),
                               FormatSeconds(seconds.total)));
  if (seconds.train > 0) {
    const double cost = seconds.profile + seconds.warmup + seconds.search;
    text +=
        Line("search cost",
             fmt::format("(profile + warm-up + search) / training = {:.1f} s / {:.1f} s = {:.2f}",
                         cost, seconds.train, cost / seconds.train));
  }
  return text;
}

std::string WarningLines(const SearchSummary& summary) {
  std::string text;
  for (const WarningSummary& warning : summary.warnings) {
    text += Paragraph("warning",
                      fmt::format("{}: {}; {}", warning.name, warning.finding, warning.advice));
  }
  return text;
}

std::string MsCell(double ms) { return ms > 0 ? fmt::format("{:#.4g}", ms) : "-"; }

std::string BaselineTable(const SearchSummary& summary) {
  if (summary.baselines.empty()) return "";
  std::string text = "\nBaselines, trained the same way\n\n";
  text += fmt::format("  {:<28} {:>11} {:>12} {:>12} {:>10} {:>9}\n", "network", "MACs",
                      "predicted " + summary.latency_ms.cost.unit, "measured ms", "held-out %",
                      "test %");
  for (const BaselineSummary& row : summary.baselines) {
    text += fmt::format("  {:<28} {:>11} {:>12} {:>12} {:>10.2f} {:>9.2f}\n", row.kind,
                        FormatCount(row.macs), MsCell(row.predicted_ms), MsCell(row.measured_ms),
                        row.validation_top1, row.test_top1);
  }
  text +=
      "\n  One seed for each network. Differences below the spread between seeds mean nothing; "
      "run\n"
      "  several seeds (--seed) to know it. The test set was looked at once for each row.\n";
  return text;
}

std::string NextLines(const SearchSummary& summary, const std::string& folder) {
  const std::string network = fmt::format("--network {}/architecture.json", folder);
  const std::string data =
      summary.data == "fashion-mnist" ? "" : fmt::format(" --data {}", summary.data);
  std::string text = fmt::format("\nNext\n\n  nasengine train {}{} --epochs 30\n", network, data);
  if (summary.test_top1.has_value()) {
    text += fmt::format("  nasengine eval {} --weights {}/weights.safetensors{}\n", network, folder,
                        data);
  }
  return text + fmt::format("  nasengine info {}\n", network);
}

}  // namespace

std::string NetworkPicture(const NetworkDesc& network) {
  std::size_t name_columns = 5;
  std::size_t operation_columns = 12;
  for (const LayerDesc& layer : network.layers) {
    name_columns = std::max(name_columns, layer.name.size());
    operation_columns = std::max(operation_columns, Operation(layer).size());
  }
  const auto total = static_cast<double>(std::max<std::int64_t>(1, CountNetwork(network).macs));
  std::string text = fmt::format("  {:<{}}  {:<{}}  {:<12}  share of MACs\n", "layer", name_columns,
                                 "operation", operation_columns, "output");
  for (const LayerDesc& layer : network.layers) {
    const double share = static_cast<double>(CountLayer(layer).macs) / total;
    std::string line = fmt::format("  {:<{}}  {:<{}}  {:<12}", layer.name, name_columns,
                                   Operation(layer), operation_columns, ToString(layer.out));
    if (layer.op == LayerOp::kZero) {
      line = line.substr(0, line.find_last_not_of(' ') + 1);
    } else {
      const auto bar = static_cast<std::size_t>(std::lround(share * kBarColumns));
      line +=
          fmt::format("  {:>5.1f} %{}{}", 100.0 * share, bar > 0 ? " " : "", std::string(bar, '#'));
    }
    text += line + "\n";
  }
  return text;
}

std::string SearchScreen(const SearchSummary& summary, const std::string& run_folder) {
  std::string text =
      fmt::format("\nNetwork {} by {} on {} for {} ({}, {} thread{}), seed {}\n\n",
                  summary.stopped ? "as far as it was searched" : "found", summary.algorithm,
                  summary.data, summary.device, summary.device_name, summary.threads,
                  summary.threads == 1 ? "" : "s", summary.seed);
  if (summary.stopped) text += "  Stopped before the end: every figure is of what was done.\n\n";
  text += NetworkPicture(summary.network) + "\n";
  text += Line("size", fmt::format("{} parameters, {} MACs", FormatCount(summary.parameters),
                                   FormatCount(summary.macs)));
  text += AccuracyLines(summary);
  text += LatencyLines(summary);
  text += EntropyLine(summary);
  text += MemoryLine(summary);
  text += TimeLines(summary.seconds);
  text += WarningLines(summary);
  text += BaselineTable(summary);
  text += NextLines(summary, run_folder);
  return text;
}

}  // namespace nasengine
