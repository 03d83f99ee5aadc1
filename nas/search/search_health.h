// Watches a search for what makes its result worthless, and says so while it runs: candidates that
// were hardly trained, blocks that froze early, networks that vanish, alphas and losses that do not
// move or move at random. nas/search/README.md defines every warning.
//
// Running sums alone: memory and time of a step do not grow with the steps. What it says depends on
// the search only, never on the clock.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nas/search/architecture_steps.h"
#include "nas/search/trend.h"
#include "nas/space/search_space.h"
#include "nas/supernet/binary_gate.h"

namespace nasengine {

struct HealthWarning {
  std::string_view name;  // "frozen-early" and so on
  std::string finding;    // what was seen, with the numbers
  std::string advice;
};

class SearchHealth {
 public:
  using Sink = std::function<void(const HealthWarning&)>;

  // Of a search that begins with the alphas of `gates`, one for every gate of `space` (both must
  // outlive it), and takes so many architecture steps, which obey `knobs`. `warn` gets every
  // warning at most once.
  SearchHealth(const SearchSpace& space, const std::vector<BinaryGate>& gates,
               std::int64_t architecture_steps, const ArchitectureKnobs& knobs, Sink warn);

  // After a weight step along `path`; empty: of all candidates. Costs nothing after the first
  // architecture step, before which all visits are judged.
  void AfterWeightStep(std::span<const int> path);
  // After an architecture step that saw this cross-entropy on held-out images.
  void AfterArchitectureStep(double cross_entropy);
  // When the search is over.
  void Finish();

 private:
  struct Stage {
    std::string blocks;          // "block3 to block6"
    std::vector<int> skippable;  // of its blocks
  };

  const BinaryGate& GateOf(std::size_t block) const;
  std::string NameOf(std::size_t block, int candidate) const;
  bool IsZero(std::size_t block, int candidate) const;
  bool AllFavourZero(std::span<const int> blocks) const;
  void FindStages();

  void CheckVisits();
  void CheckFrozen();
  void CheckStages();
  void CheckEntropy();
  void CheckMovement();
  void CheckLoss();
  void Warn(std::string_view name, const std::string& finding, const std::string& advice);

  std::vector<const ChoiceNode*> blocks_;
  const std::vector<BinaryGate>& gates_;
  std::int64_t classes_;
  std::int64_t planned_steps_;
  double momentum_;  // of the alphas
  ArchitectureKnobs knobs_;
  Sink warn_;
  std::vector<std::string_view> warned_;
  std::vector<Stage> stages_;   // with two or more blocks that can be skipped
  std::vector<int> skippable_;  // of all blocks

  std::int64_t weight_steps_ = 0;
  std::int64_t architecture_steps_ = 0;
  std::vector<std::vector<std::int64_t>> visits_;  // of every block's candidates
  std::vector<std::vector<double>> expected_;      // the sum of the probabilities of being drawn
  std::vector<std::vector<float>> first_alphas_;
  std::vector<std::vector<float>> last_alphas_;
  double first_entropy_ = 0;
  double squared_updates_ = 0;  // the sum over alphas and steps
  Trend loss_;
  RecentMean recent_loss_;
};

}  // namespace nasengine
