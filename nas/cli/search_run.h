// A whole search, phase by phase: data, latency table, estimate, search, derivation, calibration,
// training, the one look at the test set, measurement.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>

#include "nas/config/run_config.h"
#include "nas/latency/latency_table.h"
#include "nas/report/search_summary.h"
#include "nas/supernet/network.h"
#include "nas/train/step_record.h"

namespace nasengine {

// Printed before anything long starts.
struct SearchEstimate {
  PhaseSeconds seconds;
  std::int64_t peak_bytes = 0;       // planned, one path
  std::int64_t all_paths_bytes = 0;  // planned, all candidates kept
  std::int64_t budget_bytes = 0;
  std::int64_t weight_steps = 0;
  std::int64_t architecture_steps = 0;
  double reference_latency_ms = 0;
  Recipe recipe;  // after a time budget was fitted
};

// How a search talks to whoever started it; each may be empty.
struct SearchHooks {
  LoopControl control;
  // A phase begins, in words for people.
  std::function<void(const std::string& message)> announce;
  std::function<void(const SearchEstimate& estimate)> estimated;
  // Before anything depends on it.
  std::function<void(const LatencyTable& table)> table_ready;
  std::function<void(const NetworkDesc& network)> derived;
  std::function<void(Context& context, const Network& network)> trained;
};

// Throws what any phase throws; nothing is written but through the hooks. With config.dry_run it
// returns after the estimate.
SearchSummary RunSearch(const RunConfig& config, const SearchHooks& hooks);

}  // namespace nasengine
