// The memory of our weight steps beside PyTorch's, a process each: `bench memory --peer pytorch`.
// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "bench/commands.h"
#include "bench/memory_cases.h"
#include "bench/workbench.h"

namespace nasengine {

// Takes weight steps of the space `name` (a name or a file) at each of `points`, of one path and of
// all, in a process of ours and in PyTorch's: eager, in either layout of images. Adds a row each to
// `rows` and, unless a document is wanted, prints them. What would not fit into memory or cannot be
// run is left out, and one line on stderr says why. Returns false where there is no PyTorch at all.
bool ComparePeaksWithPytorch(Workbench& bench, const std::string& name,
                             std::span<const MemoryPoint> points, const BenchOptions& options,
                             nlohmann::ordered_json& rows);

}  // namespace nasengine
