// What training inside a supernet costs beside training the same network by itself.
// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/commands.h"
#include "bench/workbench.h"
#include "nas/space/search_space.h"

namespace nasengine {

// "fashion fixed network".
std::string FixedNetworkRowName(const SearchSpace& space);

// Times the weight step of the space's typical path (SupernetSteps) in turn with that of the
// network which the path derives; appends that row and prints it. Does nothing where the filter
// leaves the row out.
void CompareFixedNetwork(Workbench& bench, const SearchSpace& space, std::int64_t batch,
                         const BenchOptions& options, nlohmann::ordered_json& rows);

}  // namespace nasengine
