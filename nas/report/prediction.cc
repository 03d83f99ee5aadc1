// SPDX-License-Identifier: MIT
#include "nas/report/prediction.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>

#include "nas/report/format.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

// A number under the name that its unit gives it.
std::string CostKey(const CostUnit& cost) { return cost.is_latency() ? "latency_ms" : "cost"; }

void AddUnit(const CostUnit& cost, Json& json) {
  if (!cost.is_latency()) json["unit"] = {{"name", cost.name}, {"unit", cost.unit}};
}

Json NetworkJson(const NetworkReport& report) {
  const std::string key = CostKey(report.cost);
  Json json{{"network", report.network}, {"table", report.table}};
  AddUnit(report.cost, json);
  json[key] = report.missing.empty() ? Json(report.total) : Json(nullptr);
  if (!report.missing.empty()) json["present_" + key] = report.total;
  json["layers"] = Json::array();
  for (const LayerCost& layer : report.layers) {
    json["layers"].push_back({{"layer", layer.layer}, {"key", layer.key}, {key, layer.cost}});
  }
  json["missing"] = Json::array();
  for (const MissingKey& missing : report.missing) json["missing"].push_back(missing.key);
  return json;
}

Json SpaceJson(const SpaceReport& report) {
  Json json{{"space", report.space}, {"table", report.table}};
  AddUnit(report.cost, json);
  const std::string key = CostKey(report.cost);
  json["expected_" + key] = report.expected;
  json["fixed_" + key] = report.fixed;
  json["smallest_" + key] = report.smallest;
  json["largest_" + key] = report.largest;
  json["gradient"] = Json::array();
  json["blocks"] = Json::array();
  for (const SpaceReport::Block& block : report.blocks) {
    json["gradient"].push_back(block.gradient);
    json["blocks"].push_back({{"name", block.name},
                              {"candidates", block.candidates},
                              {"probabilities", block.probabilities},
                              {key, block.costs}});
  }
  return json;
}

std::string Document(const std::vector<Json>& documents) {
  const Json json = documents.size() == 1 ? documents.front() : Json{{"tables", documents}};
  return json.dump(2) + "\n";
}

std::string Total(const NetworkReport& report) {
  return report.missing.empty()
             ? FormatCost(report.total, report.cost)
             : fmt::format("at least {}, {} of its layers are not in the table",
                           FormatCost(report.total, report.cost), report.missing.size());
}

std::string MissingLines(const NetworkReport& report) {
  std::string text;
  for (const MissingKey& missing : report.missing) {
    text += fmt::format("  {} missing {}\n", missing.layer, missing.key);
    if (!missing.nearest.empty()) {
      text += fmt::format("          the nearest entry has {}\n", missing.differing);
    }
  }
  return text;
}

std::string OneNetwork(const NetworkReport& report) {
  std::string text = fmt::format("{} by {}: {}\n\n", report.network, report.table, Total(report));
  for (const LayerCost& layer : report.layers) {
    text += fmt::format("  {:<12}{:>14}  {}\n", layer.layer, FormatCost(layer.cost, report.cost),
                        layer.key);
  }
  return text + MissingLines(report);
}

// A layer of two networks: no number where one of them does not have it or its table does not.
struct Pair {
  std::string layer{};
  std::optional<double> a{};
  std::optional<double> b{};
};

// Layers of the same name in one row; those of b alone stand after what they follow in b.
std::vector<Pair> SideBySide(const NetworkReport& a, const NetworkReport& b) {
  std::vector<Pair> rows;
  for (const LayerCost& layer : a.layers) rows.push_back({.layer = layer.layer, .a = layer.cost});
  auto next = rows.begin();
  for (const LayerCost& layer : b.layers) {
    auto row = std::ranges::find(rows, layer.layer, &Pair::layer);
    if (row == rows.end()) row = rows.insert(next, {.layer = layer.layer});
    row->b = layer.cost;
    next = row + 1;
  }
  return rows;
}

std::string TwoNetworks(const NetworkReport& a, const NetworkReport& b) {
  std::string text = fmt::format("by {}, in {}\n  {}: {}\n  {}: {}\n\n", a.table, a.cost.unit,
                                 a.network, Total(a), b.network, Total(b));
  const int columns =
      2 + static_cast<int>(std::max({a.network.size(), b.network.size(), std::size_t{10}}));
  text += fmt::format("  {:<12}{:>{}}{:>{}}{:>12}\n", "layer", a.network, columns, b.network,
                      columns, "difference");
  const auto cell = [](const NetworkReport& report, const std::string& layer,
                       const std::optional<double>& cost) -> std::string {
    if (cost) return fmt::format("{:.4g}", *cost);
    const auto lacks = [&](const MissingKey& missing) { return missing.layer == layer; };
    return std::ranges::any_of(report.missing, lacks) ? "missing" : "-";
  };
  for (const Pair& row : SideBySide(a, b)) {
    const std::string left = cell(a, row.layer, row.a);
    const std::string right = cell(b, row.layer, row.b);
    const bool known = left != "missing" && right != "missing";
    text += fmt::format("  {:<12}{:>{}}{:>{}}{:>12}\n", row.layer, left, columns, right, columns,
                        known ? fmt::format("{:+.4g}", row.a.value_or(0) - row.b.value_or(0)) : "");
  }
  return text + MissingLines(a) + MissingLines(b);
}

std::string OneSpace(const SpaceReport& report) {
  const auto cost = [&](double value) { return FormatCost(value, report.cost); };
  std::string text =
      fmt::format("{} by {}: expected {}; fixed layers {}, networks from {} to {}\n\n",
                  report.space, report.table, cost(report.expected), cost(report.fixed),
                  cost(report.smallest), cost(report.largest));
  text += fmt::format("  {:<10}{:<14}{:>12}{:>14}{:>16}\n", "block", "candidate", "probability",
                      report.cost.unit, "d E / d alpha");
  for (const SpaceReport::Block& block : report.blocks) {
    for (std::size_t k = 0; k < block.candidates.size(); ++k) {
      text += fmt::format("  {:<10}{:<14}{:>12.4f}{:>14.4g}{:>+16.5g}\n", k == 0 ? block.name : "",
                          block.candidates[k], block.probabilities[k], block.costs[k],
                          block.gradient[k]);
    }
  }
  return text;
}

}  // namespace

std::string ToJson(const std::vector<std::vector<NetworkReport>>& reports) {
  std::vector<Json> documents;
  for (const std::vector<NetworkReport>& row : reports) {
    documents.push_back(NetworkJson(row.front()));
    if (row.size() > 1) documents.back()["against"] = NetworkJson(row.back());
  }
  return Document(documents);
}

std::string ToJson(const std::vector<SpaceReport>& reports) {
  std::vector<Json> documents;
  for (const SpaceReport& report : reports) documents.push_back(SpaceJson(report));
  return Document(documents);
}

std::string ToText(const std::vector<std::vector<NetworkReport>>& reports) {
  std::string text;
  for (const std::vector<NetworkReport>& row : reports) {
    text += (text.empty() ? "" : "\n");
    text += row.size() > 1 ? TwoNetworks(row.front(), row.back()) : OneNetwork(row.front());
  }
  return text;
}

std::string ToText(const std::vector<SpaceReport>& reports) {
  std::string text;
  for (const SpaceReport& report : reports) text += (text.empty() ? "" : "\n") + OneSpace(report);
  return text;
}

}  // namespace nasengine
