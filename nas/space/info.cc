// Tables and JSON about descriptions.
// SPDX-License-Identifier: MIT
#include "nas/space/info.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "nas/space/counts.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

// 16034168 -> "16,034,168".
std::string Grouped(int64_t value) {
  std::string text = std::to_string(value);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

std::string Range(int64_t low, int64_t high) {
  return low == high ? Grouped(low) : Grouped(low) + " - " + Grouped(high);
}

// "3x3 conv, relu6", "5x5 MBConv6 + x".
std::string Describe(const LayerDesc& layer) {
  switch (layer.op) {
    case LayerOp::kConv:
      return fmt::format("{0}x{0} conv, {1}", layer.kernel, Name(layer.activation));
    case LayerOp::kMbconv:
      return fmt::format("{0}x{0} MBConv{1}{2}", layer.kernel, layer.expand,
                         HasResidual(layer) ? " + x" : "");
    case LayerOp::kZero:
      return "skipped";
    case LayerOp::kClassifier:
      break;
  }
  return "pool, linear";
}

// Rows of cells in columns of equal width; the first four columns are words, the others numbers.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  std::string Text() const {
    std::vector<size_t> widths(rows_.front().size(), 0);
    for (const auto& row : rows_) {
      for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (size_t r = 0; r < rows_.size(); ++r) {
      std::string line;
      for (size_t i = 0; i < widths.size(); ++i) {
        line += i < kWordColumns ? fmt::format("  {:<{}}", rows_[r][i], widths[i])
                                 : fmt::format("  {:>{}}", rows_[r][i], widths[i]);
      }
      text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
      if (r == 0) text += "  " + std::string(line.size() - 2, '-') + "\n";
    }
    return text;
  }

 private:
  static constexpr size_t kWordColumns = 4;
  std::vector<std::vector<std::string>> rows_;
};

// `tied_to` is the first block of the node's gate.
void AddChoiceRow(const ChoiceNode& node, const ChoiceNode& tied_to, Table& table) {
  Counts low = CountLayer(node.candidates.front());
  Counts high = low;
  for (const LayerDesc& candidate : node.candidates) {
    const Counts counts = CountLayer(candidate);
    low = {std::min(low.parameters, counts.parameters), std::min(low.macs, counts.macs)};
    high = {std::max(high.parameters, counts.parameters), std::max(high.macs, counts.macs)};
  }
  const LayerDesc& first = node.candidates.front();
  table.Add(
      {node.name,
       fmt::format("{} candidates{}{}", node.candidates.size(), CanBeSkipped(node) ? ", Zero" : "",
                   node.name == tied_to.name ? "" : ", as " + tied_to.name),
       ToString(first.in), ToString(first.out), std::to_string(first.stride),
       Range(low.parameters, high.parameters), Range(low.macs, high.macs)});
}

void AddLayerRow(const LayerDesc& layer, Table& table) {
  const Counts counts = CountLayer(layer);
  table.Add({layer.name, Describe(layer), ToString(layer.in), ToString(layer.out),
             std::to_string(layer.stride), Grouped(counts.parameters), Grouped(counts.macs)});
}

Table LayerTable() {
  return Table({"layer", "operation", "input", "output", "stride", "parameters", "MACs"});
}

Json SizeToJson(const Size3& size) { return Json::array({size.h, size.w, size.c}); }

Json CountsToJson(const Counts& counts) {
  return {{"parameters", counts.parameters}, {"macs", counts.macs}};
}

std::string PathLine(const char* what, const Counts& counts) {
  return fmt::format("  {:<24}{} parameters, {} MACs\n", what, Grouped(counts.parameters),
                     Grouped(counts.macs));
}

}  // namespace

std::string InfoText(const SearchSpace& space) {
  const std::vector<const ChoiceNode*> choices = space.Choices();
  const std::vector<std::vector<int>> gates = space.Gates();
  Table table = LayerTable();
  for (const SpaceNode& node : space.nodes) {
    if (const auto* fixed = std::get_if<LayerDesc>(&node)) {
      AddLayerRow(*fixed, table);
    } else {
      const auto& choice = std::get<ChoiceNode>(node);
      const int first = gates[static_cast<size_t>(choice.gate)].front();
      AddChoiceRow(choice, *choices[static_cast<size_t>(first)], table);
    }
  }
  std::string text = fmt::format("Search space {}: images {}, {} classes\n\n", space.name,
                                 ToString(space.input), space.classes);
  text += table.Text() + "\n";
  text += fmt::format("  {:<24}{}\n", "searchable blocks", space.searchable_blocks());
  if (gates.size() < choices.size()) {
    text += fmt::format("  {:<24}{}\n", "choices, blocks tied", gates.size());
  }
  text += fmt::format("  {:<24}{}\n", "architecture parameters", space.architecture_parameters());
  text += fmt::format("  {:<24}{}\n", "supernet parameters", Grouped(SupernetParameters(space)));
  const std::string count = space.NetworkCount();
  text += fmt::format("  {:<24}10^{:.2f}{}\n", "networks", space.networks_log10(),
                      count.size() <= 24 ? " = " + count : "");
  text += PathLine("smallest network", CountPath(space, SmallestPath(space)));
  text += PathLine("largest network", CountPath(space, LargestPath(space)));
  text += fmt::format("  {:<24}{} MACs, every candidate equally likely\n", "mean network",
                      Grouped(std::llround(MeanMacs(space))));
  return text;
}

std::string InfoText(const NetworkDesc& network) {
  Table table = LayerTable();
  for (const LayerDesc& layer : network.layers) AddLayerRow(layer, table);
  const Counts counts = CountNetwork(network);
  std::string text = fmt::format("Network {}: images {}, {} classes\n\n", network.name,
                                 ToString(network.input), network.classes);
  text += table.Text() + "\n";
  return text + PathLine("total", counts);
}

std::string InfoJson(const SearchSpace& space) {
  const Json json{{"space", space.name},
                  {"input", SizeToJson(space.input)},
                  {"classes", space.classes},
                  {"searchable_blocks", space.searchable_blocks()},
                  {"gates", space.Gates().size()},
                  {"architecture_parameters", space.architecture_parameters()},
                  {"supernet_parameters", SupernetParameters(space)},
                  {"networks_log10", space.networks_log10()},
                  {"networks", space.NetworkCount()},
                  {"largest", CountsToJson(CountPath(space, LargestPath(space)))},
                  {"smallest", CountsToJson(CountPath(space, SmallestPath(space)))},
                  {"mean_macs", MeanMacs(space)}};
  return json.dump(2) + "\n";
}

std::string InfoJson(const NetworkDesc& network) {
  const Counts total = CountNetwork(network);
  Json json{{"network", network.name},    {"input", SizeToJson(network.input)},
            {"classes", network.classes}, {"parameters", total.parameters},
            {"macs", total.macs},         {"layers", Json::array()}};
  for (const LayerDesc& layer : network.layers) {
    const Counts counts = CountLayer(layer);
    json["layers"].push_back({{"name", layer.name},
                              {"op", Name(layer.op)},
                              {"input", SizeToJson(layer.in)},
                              {"output", SizeToJson(layer.out)},
                              {"kernel", layer.kernel},
                              {"expand", layer.expand},
                              {"stride", layer.stride},
                              {"parameters", counts.parameters},
                              {"macs", counts.macs}});
  }
  return json.dump(2) + "\n";
}

}  // namespace nasengine
