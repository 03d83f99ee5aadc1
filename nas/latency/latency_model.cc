// Expected latency, its gradient, and predictions for single networks.
// SPDX-License-Identifier: MIT
#include "nas/latency/latency_model.h"

#include <algorithm>
#include <set>
#include <utility>

#include "kernels/core/error.h"
#include "nas/space/latency_key.h"

namespace nasengine {
namespace {

// The key under which a table holds the layer whose head has `classes` classes, if not 0.
std::string KeyInTable(LayerDesc layer, std::int64_t classes) {
  if (layer.op == LayerOp::kClassifier && classes > 0) layer.out.c = classes;
  return LatencyKey(layer);
}

// Looks layers up and collects the keys that are not there.
class Lookup {
 public:
  Lookup(const LatencyTable& table, std::int64_t classes) : table_(table), classes_(classes) {}

  double Ms(const LayerDesc& layer) {
    std::string key = KeyInTable(layer, classes_);
    if (key.empty()) return 0;
    const LatencyEntry* entry = table_.Find(key);
    if (entry != nullptr) return entry->cost;
    missing_.push_back(std::move(key));
    return 0;
  }
  const std::vector<std::string>& missing() const { return missing_; }

 private:
  const LatencyTable& table_;
  std::int64_t classes_;
  std::vector<std::string> missing_;
};

}  // namespace

LatencyModel::LatencyModel(const SearchSpace& space, const LatencyTable& table, const TableUse& use)
    : gates_(space.Gates()) {
  Lookup lookup(table, use.classes);
  for (const SpaceNode& node : space.nodes) {
    if (const auto* fixed = std::get_if<LayerDesc>(&node)) {
      fixed_ms_ += lookup.Ms(*fixed);
      continue;
    }
    const ChoiceNode& choice = std::get<ChoiceNode>(node);
    std::vector<double> row;
    for (const LayerDesc& candidate : choice.candidates) row.push_back(lookup.Ms(candidate));
    rows_.push_back(std::move(row));
    names_.push_back(choice.name);
  }
  if (!lookup.missing().empty()) {
    Throw(ErrorCode::kNotFound, MissingKeysMessage(use.name, lookup.missing()));
  }
}

LatencyModel::LatencyModel(double fixed_ms, std::vector<std::vector<double>> rows)
    : fixed_ms_(fixed_ms), rows_(std::move(rows)) {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    gates_.push_back({static_cast<int>(i)});
    names_.push_back(StrCat("block ", i + 1));
  }
}

std::span<const double> LatencyModel::Row(int block) const {
  NAS_CHECK(block >= 0 && block < blocks(), "latency model: found block ", block,
            ", expected one of ", blocks());
  return rows_[static_cast<std::size_t>(block)];
}

std::span<const double> LatencyModel::CheckedRow(int block, std::size_t probabilities) const {
  const std::span<const double> row = Row(block);
  NAS_CHECK(probabilities == row.size(), "latency model: ", names_[static_cast<std::size_t>(block)],
            ": found ", probabilities, " probabilities, expected ", row.size());
  return row;
}

double LatencyModel::ExpectedMs(const BlockProbabilities& probabilities) const {
  NAS_CHECK(probabilities.size() == rows_.size(), "latency model: found probabilities of ",
            probabilities.size(), " blocks, expected ", rows_.size());
  double sum_ms = fixed_ms_;
  for (int i = 0; i < blocks(); ++i) {
    sum_ms += BlockMs(i, probabilities[static_cast<std::size_t>(i)]);
  }
  return sum_ms;
}

double LatencyModel::BlockMs(int block, std::span<const double> probabilities) const {
  const std::span<const double> row = CheckedRow(block, probabilities.size());
  double sum_ms = 0;
  for (std::size_t j = 0; j < row.size(); ++j) sum_ms += probabilities[j] * row[j];
  return sum_ms;
}

std::vector<double> LatencyModel::AlphaGradientMs(int block,
                                                  std::span<const double> probabilities) const {
  const double block_ms = BlockMs(block, probabilities);
  const std::span<const double> row = Row(block);
  std::vector<double> gradient(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    gradient[i] = probabilities[i] * (row[i] - block_ms);
  }
  return gradient;
}

double LatencyModel::PathMs(std::span<const int> path) const {
  NAS_CHECK(path.size() == rows_.size(), "latency model: found a path of ", path.size(),
            " choices, expected ", rows_.size());
  double sum_ms = fixed_ms_;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const int candidates = static_cast<int>(rows_[i].size());
    NAS_CHECK(path[i] >= 0 && path[i] < candidates, "latency model: ", names_[i],
              ": found candidate ", path[i], ", expected one of ", candidates);
    sum_ms += rows_[i][static_cast<std::size_t>(path[i])];
  }
  return sum_ms;
}

std::vector<double> LatencyModel::GateRow(int gate) const {
  NAS_CHECK(gate >= 0 && gate < gates(), "latency model: found gate ", gate, ", expected one of ",
            gates());
  const std::vector<int>& blocks = gates_[static_cast<std::size_t>(gate)];
  std::vector<double> row = rows_[static_cast<std::size_t>(blocks.front())];
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    const std::vector<double>& more = rows_[static_cast<std::size_t>(blocks[i])];
    for (std::size_t k = 0; k < row.size(); ++k) row[k] += more[k];
  }
  return row;
}

double LatencyModel::SmallestReachableMs() const {
  double sum_ms = fixed_ms_;
  for (int gate = 0; gate < gates(); ++gate) sum_ms += std::ranges::min(GateRow(gate));
  return sum_ms;
}

double LatencyModel::LargestReachableMs() const {
  double sum_ms = fixed_ms_;
  for (int gate = 0; gate < gates(); ++gate) sum_ms += std::ranges::max(GateRow(gate));
  return sum_ms;
}

double LatencyModel::UniformExpectedMs() const {
  double sum_ms = fixed_ms_;
  for (const std::vector<double>& row : rows_) {
    double block_ms = 0;
    for (const double candidate_ms : row) block_ms += candidate_ms;
    sum_ms += block_ms / static_cast<double>(row.size());
  }
  return sum_ms;
}

double LatencyModel::ReferenceMs() const {
  return (SmallestReachableMs() + UniformExpectedMs()) / 2;
}

NetworkPrediction PredictNetwork(const LatencyTable& table, const NetworkDesc& network,
                                 std::int64_t classes) {
  NetworkPrediction prediction;
  for (const LayerDesc& layer : network.layers) {
    std::string key = KeyInTable(layer, classes);
    if (key.empty()) continue;
    const LatencyEntry* entry = table.Find(key);
    if (entry == nullptr) {
      prediction.missing.push_back(std::move(key));
      prediction.missing_layers.push_back(layer.name);
      continue;
    }
    prediction.total += entry->cost;
    prediction.layers.push_back({layer.name, std::move(key), entry->cost});
  }
  return prediction;
}

std::string MissingKeysMessage(std::string_view table_name, std::span<const std::string> missing) {
  std::set<std::string_view> named;
  std::string list;
  for (const std::string& key : missing) {
    if (!named.insert(key).second) continue;
    list += (list.empty() ? " " : ", ") + key;
  }
  const bool lacks_head = std::ranges::any_of(
      missing, [](const std::string& key) { return key.starts_with("Logits"); });
  return StrCat(
      table_name, ": found no entry for ", named.size(), " keys:", list,
      "; measure them on the device (search --latency-table measure does so here) or give "
      "a table that has them",
      lacks_head ? "; --latency-classes N takes the head of N classes" : "");
}

}  // namespace nasengine
