// Searches on a table of trained networks: what an algorithm finds after so many queries.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "bench/architecture_table.h"
#include "nas/search/reinforce.h"

namespace nasengine {

// After every query: what the search has seen, and the network that it would hand over, which is
// the best one by SearchTop1 of all queried so far (the first one of equals).
struct QueryTrace {
  std::vector<double> asked_top1;  // SearchTop1 of this query
  std::vector<double> found_top1;  // FinalTop1 of the best so far
};

// REINFORCE with the table's SearchTop1 as its reward; alphas begin at 0. A path drawn again is a
// query again. `queries` is rounded down to whole updates.
QueryTrace SearchByReinforce(Context& context, const ArchitectureTable& table,
                             const ReinforceConfig& config, int queries);
// Distinct paths, drawn evenly.
QueryTrace SearchAtRandom(const ArchitectureTable& table, std::uint32_t seed, int queries);

}  // namespace nasengine
