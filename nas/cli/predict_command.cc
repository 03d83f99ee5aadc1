// `nasengine predict`: what a network or a space costs by one or more tables, block by block.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/cli/command.h"
#include "nas/cli/flags.h"
#include "nas/latency/latency_model.h"
#include "nas/latency/macs_table.h"
#include "nas/latency/nearest_key.h"
#include "nas/latency/table_file.h"
#include "nas/report/prediction.h"
#include "nas/space/alphas_file.h"
#include "nas/space/network_zoo.h"
#include "nas/space/space_file.h"
#include "nas/supernet/binary_gate.h"

namespace nasengine {
namespace {

constexpr char kDescription[] =
    "Latency of a network by tables of measured layers, block by block; of a search space the\n"
    "expectation over its alphas and its gradient. A layer that a table lacks is named and nothing "
    "is\n"
    "made up for it.";
constexpr char kExamples[] =
    "  nasengine predict --network run/architecture.json --latency-table pixel.yaml\n"
    "  nasengine predict --network proxyless-gpu --against proxyless-cpu --latency-table macs\n"
    "  nasengine predict --network mobilenet-v2 --latency-table cpu.csv --latency-table gpu.csv\n"
    "  nasengine predict --space proxyless-imagenet --alphas uniform --latency-table pixel.yaml "
    "--json\n";

struct PredictConfig {
  std::string network;
  std::string against;
  std::string space;
  std::string alphas = "uniform";
  double width = 1.0;
  std::vector<std::string> tables;
  std::string cost;
  std::int64_t classes = 0;
  bool json = false;
};

void AddFlags(Flags& flags, PredictConfig& config) {
  flags.Group("What");
  flags.Add("--network", config.network, "NAME|FILE", "A built-in network or architecture.json");
  flags.Add("--against", config.against, "NAME|FILE", "Another network to compare with, by block");
  flags.Add("--space", config.space, "NAME|FILE",
            "A search space: the expectation over its alphas");
  flags.Add("--alphas", config.alphas, "uniform|FILE",
            "Its alphas: all equal (default) or a search's alphas.json");
  flags.Add("--width", config.width, "Multiplier of the space's channels (default 1)");
  flags.Group("By what");
  flags.AddRepeated("--latency-table", config.tables, "FILE|macs",
                    "JSON, YAML or CSV; may be given several times (required)");
  flags.Add("--cost", config.cost, "NAME", "Another cost of the tables in place of latency");
  flags.Add("--latency-classes", config.classes,
            "Classes that the tables' heads were measured with (default: the network's)");
  flags.Group("Output");
  flags.AddSwitch("--json", config.json, "Print one JSON document on stdout");
  flags.AddConfigFile();
}

template <class Description>
LatencyTable TableFor(const PredictConfig& config, const std::string& name,
                      const Description& description) {
  return name == kMacsTableName ? MacsTable(DistinctKeys(description))
                                : LoadLatencyTable(name, config.cost);
}

NetworkReport Report(const PredictConfig& config, const std::string& table_name,
                     const NetworkDesc& network) {
  const LatencyTable table = TableFor(config, table_name, network);
  const NetworkPrediction prediction = PredictNetwork(table, network, config.classes);
  NetworkReport report{.network = network.name, .table = table_name, .cost = table.cost};
  report.total = prediction.total;
  for (const PredictedLayer& layer : prediction.layers) {
    report.layers.push_back({layer.name, layer.key, layer.cost});
  }
  for (std::size_t i = 0; i < prediction.missing.size(); ++i) {
    const std::string& key = prediction.missing[i];
    const NearestKey nearest = FindNearestKey(table, key);
    report.missing.push_back({prediction.missing_layers[i], key, nearest.key, nearest.differing});
  }
  return report;
}

SpaceReport Report(const PredictConfig& config, const std::string& table_name,
                   const SearchSpace& space, const AlphaRows& alphas) {
  const LatencyTable table = TableFor(config, table_name, space);
  const LatencyModel model(space, table, {.name = table_name, .classes = config.classes});
  SpaceReport report{.space = space.name, .table = table_name, .cost = table.cost};
  report.fixed = model.fixed_ms();
  report.smallest = model.SmallestReachableMs();
  report.largest = model.LargestReachableMs();
  BlockProbabilities probabilities;
  const std::vector<const ChoiceNode*> choices = space.Choices();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const std::vector<float> alpha(alphas[i].begin(), alphas[i].end());
    probabilities.push_back(Softmax(alpha));
    const int block = static_cast<int>(i);
    const std::span<const double> row = model.Row(block);
    SpaceReport::Block entry{.name = choices[i]->name,
                             .candidates = {},
                             .probabilities = probabilities.back(),
                             .costs = {row.begin(), row.end()},
                             .gradient = model.AlphaGradientMs(block, probabilities.back())};
    for (const LayerDesc& candidate : choices[i]->candidates) {
      entry.candidates.push_back(CandidateName(candidate));
    }
    report.blocks.push_back(std::move(entry));
  }
  report.expected = model.ExpectedMs(probabilities);
  return report;
}

int PredictSpace(const PredictConfig& config) {
  const SearchSpace space = LoadSpace(config.space, config.width);
  AlphaRows alphas;
  if (config.alphas == "uniform") {
    for (const ChoiceNode* choice : space.Choices()) {
      alphas.emplace_back(choice->candidates.size(), 0.0);
    }
  } else {
    alphas = AlphasFromJson(ReadFile(config.alphas), config.alphas, space);
  }
  std::vector<SpaceReport> reports;
  for (const std::string& table : config.tables) {
    reports.push_back(Report(config, table, space, alphas));
  }
  std::fputs((config.json ? ToJson(reports) : ToText(reports)).c_str(), stdout);
  return kExitDone;
}

int PredictNetworks(const PredictConfig& config) {
  std::vector<NetworkDesc> networks{LoadNetwork(config.network)};
  if (!config.against.empty()) networks.push_back(LoadNetwork(config.against));
  std::vector<std::vector<NetworkReport>> reports;  // of a table, of a network
  std::string refusal;
  for (const std::string& table : config.tables) {
    reports.emplace_back();
    for (const NetworkDesc& network : networks) {
      reports.back().push_back(Report(config, table, network));
      std::vector<std::string> missing;
      for (const MissingKey& key : reports.back().back().missing) missing.push_back(key.key);
      if (missing.empty()) continue;
      refusal += StrCat(refusal.empty() ? "" : "; ", network.name, " by ",
                        MissingKeysMessage(table, missing));
    }
  }
  std::fputs((config.json ? ToJson(reports) : ToText(reports)).c_str(), stdout);
  if (refusal.empty()) return kExitDone;
  Throw(ErrorCode::kNotFound, refusal);
}

}  // namespace

int PredictCommand(Arguments arguments) {
  PredictConfig config;
  Flags flags("predict", kDescription, kExamples);
  AddFlags(flags, config);
  if (const auto code = flags.Parse(arguments)) return *code;
  if (config.network.empty() == config.space.empty()) {
    return WrongUsage("predict", "give one of --network NAME|FILE and --space NAME|FILE");
  }
  if (config.tables.empty()) return WrongUsage("predict", "--latency-table FILE is missing");
  if (!config.against.empty() && config.network.empty()) {
    return WrongUsage("predict", "--against compares with a --network");
  }
  if (config.space.empty() && config.width != 1.0) {
    return WrongUsage("predict", "--width goes with --space; a network takes it as NAME@WIDTH");
  }
  if (config.space.empty() && config.alphas != "uniform") {
    return WrongUsage("predict", "--alphas goes with --space");
  }
  const bool has_macs = std::ranges::find(config.tables, kMacsTableName) != config.tables.end();
  NAS_CHECK(!has_macs || (config.cost.empty() && config.classes == 0),
            "--cost and --latency-classes: found --latency-table ", kMacsTableName,
            ", expected the file of a table that they choose from");
  NAS_CHECK(config.classes >= 0, "--latency-classes: found ", config.classes,
            ", expected a number of classes");
  return config.space.empty() ? PredictNetworks(config) : PredictSpace(config);
}

}  // namespace nasengine
