// Predictions by tables as text and as JSON: the answer of `nasengine predict`.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "nas/space/cost_unit.h"

namespace nasengine {

struct LayerCost {
  std::string layer{};
  std::string key{};
  double cost = 0;
};

struct MissingKey {
  std::string layer{};
  std::string key{};
  // The entry of the table that comes closest and what is other in it; empty where there is none.
  std::string nearest{};
  std::string differing{};
};

struct NetworkReport {
  std::string network{};
  std::string table{};
  CostUnit cost{};
  double total = 0;  // of the layers that the table knows
  std::vector<LayerCost> layers{};
  std::vector<MissingKey> missing{};
};

struct SpaceReport {
  struct Block {
    std::string name{};
    std::vector<std::string> candidates{};
    // One a candidate: its probability, its cost, and d expectation / d alpha.
    std::vector<double> probabilities{};
    std::vector<double> costs{};
    std::vector<double> gradient{};
  };
  std::string space{};
  std::string table{};
  CostUnit cost{};
  double expected = 0;
  double fixed = 0;  // of the layers that every network has
  double smallest = 0;
  double largest = 0;
  std::vector<Block> blocks{};
};

// A report a table; for networks a row a table, one report for the network and one for what it is
// compared with, if anything. One table gives the document of its report, several give
// {"tables": [...]}; a network with a second one has that one's document under "against".
//   network: latency_ms (null where keys are missing) layers[{key,latency_ms}] missing[] and more
//   space: expected_latency_ms gradient[[...]] and more
// Of another cost than latency the same numbers stand under "cost", with its name and unit.
std::string ToJson(const std::vector<std::vector<NetworkReport>>& reports);
std::string ToJson(const std::vector<SpaceReport>& reports);

std::string ToText(const std::vector<std::vector<NetworkReport>>& reports);
std::string ToText(const std::vector<SpaceReport>& reports);

}  // namespace nasengine
