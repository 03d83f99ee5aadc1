// A whole search, phase by phase: data, latency table, estimate, search, derivation, calibration,
// training, the one look at the test set, measurement.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "nas/config/run_config.h"
#include "nas/latency/latency_table.h"
#include "nas/report/search_summary.h"
#include "nas/report/step_profile.h"
#include "nas/space/alphas_file.h"
#include "nas/supernet/network.h"
#include "nas/train/step_record.h"

namespace nasengine {

// Printed before anything long starts.
struct SearchEstimate {
  PhaseSeconds seconds;
  std::int64_t peak_bytes = 0;  // planned, of the algorithm's steps
  std::int64_t all_paths_bytes =
      0;  // planned, all candidates kept; 0 where the algorithm does that
  std::int64_t evaluation_bytes = 0;  // planned, of paths on held-out images
  std::int64_t budget_bytes = 0;
  std::int64_t weight_steps = 0;
  std::int64_t architecture_steps = 0;
  std::int64_t scored_paths = 0;  // compared on the held-out images when the search ends
  std::string objective;          // the algorithm's own unless another was asked for
  CostUnit cost;
  double reference_latency_ms = 0;  // in the unit of `cost`
  Recipe recipe;                    // after a time budget was fitted
};

// How a search talks to whoever started it; each may be empty.
struct SearchHooks {
  LoopControl control;
  // A phase begins, in words for people.
  std::function<void(const std::string& message)> announce;
  std::function<void(const SearchEstimate& estimate)> estimated;
  // With config.profile_step: a step of each kind that the search takes.
  std::function<void(const std::vector<RecordedStep>& steps)> recorded;
  // Before anything depends on it.
  std::function<void(const LatencyTable& table)> table_ready;
  // The alphas at the end of the search, one row a block; then the network they led to.
  std::function<void(const SearchSpace& space, const AlphaRows& alphas)> searched;
  // The network of the likeliest path during the search, with its loss and top1 on the held-out
  // images and its predicted latency.
  std::function<void(const StepRecord& record, const NetworkDesc& network)> validated;
  std::function<void(const NetworkDesc& network)> derived;
  std::function<void(Context& context, const Network& network)> trained;
};

// Throws what any phase throws; nothing is written but through the hooks. With config.dry_run it
// returns after the estimate, with config.profile_step after recording steps.
SearchSummary RunSearch(const RunConfig& config, const SearchHooks& hooks);

}  // namespace nasengine
