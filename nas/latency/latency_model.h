// What a choice of operations costs, from a latency table: of a path exactly, of path probabilities
// in expectation. The expectation is linear in the probabilities, so its gradient is exact and
// needs no tape.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nas/latency/latency_table.h"
#include "nas/space/search_space.h"

namespace nasengine {

// Path probabilities, one row a searchable block in order; a row sums to 1.
using BlockProbabilities = std::vector<std::vector<double>>;

struct TableUse {
  // What messages call the table.
  std::string_view name = "the latency table";
  // The classes that the table's head was measured with; 0: as many as the layers have.
  std::int64_t classes = 0;
};

// All numbers are in the unit of the table: ms, as the functions' names say, unless it counts
// another cost.
class LatencyModel {
 public:
  // Throws kNotFound, naming every key of the space that the table lacks.
  LatencyModel(const SearchSpace& space, const LatencyTable& table, const TableUse& use = {});
  // From times that are known already: of the fixed layers together, and of every candidate, one
  // row a block; no blocks are tied.
  LatencyModel(double fixed_ms, std::vector<std::vector<double>> rows);

  // Sum over the layers that every network of the space has.
  double fixed_ms() const { return fixed_ms_; }
  int blocks() const { return static_cast<int>(rows_.size()); }
  // F, the latency of every candidate of a block; 0 for Zero.
  std::span<const double> Row(int block) const;
  int gates() const { return static_cast<int>(gates_.size()); }
  // The latency of every candidate of a gate: the sum over its blocks.
  std::vector<double> GateRow(int gate) const;

  // fixed + sum over blocks of E_block, E_block = sum over j of p_j F_j  [ProxylessNAS 2019,
  // equation 5].
  double ExpectedMs(const BlockProbabilities& probabilities) const;
  double BlockMs(int block, std::span<const double> probabilities) const;
  // d E / d alpha_i = p_i (F_i - E_block) with p = softmax(alpha); sums to 0.
  std::vector<double> AlphaGradientMs(int block, std::span<const double> probabilities) const;
  // Of the network that takes candidate path[i] in block i.
  double PathMs(std::span<const int> path) const;

  // Of the fastest and slowest path that the space's gates can choose.
  double SmallestReachableMs() const;
  double LargestReachableMs() const;
  // The expectation where all candidates of a block are equally likely.
  double UniformExpectedMs() const;
  // What a search compares with unless told otherwise: midway between the smallest reachable and
  // the uniform expectation.
  double ReferenceMs() const;

 private:
  std::span<const double> CheckedRow(int block, std::size_t probabilities) const;

  double fixed_ms_ = 0;
  std::vector<std::vector<double>> rows_;
  std::vector<std::vector<int>> gates_;  // the blocks of every gate
  std::vector<std::string> names_;
};

struct PredictedLayer {
  std::string name;
  std::string key;
  double cost = 0;
};

// In the unit of the table.
struct NetworkPrediction {
  // Sum over `layers`.
  double total = 0;
  // The layers that the table knows, in order; a skipped block is none.
  std::vector<PredictedLayer> layers;
  // The key of every layer that it does not know, in order, one a layer, and those layers' names.
  // Unless this is empty `total` is only a part.
  std::vector<std::string> missing;
  std::vector<std::string> missing_layers;
};

// `classes` as in TableUse.
NetworkPrediction PredictNetwork(const LatencyTable& table, const NetworkDesc& network,
                                 std::int64_t classes = 0);

// One line for a user that names each key of `missing` once and says what supplies them.
std::string MissingKeysMessage(std::string_view table_name, std::span<const std::string> missing);

}  // namespace nasengine
