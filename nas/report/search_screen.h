// The last screen of a search: what was found, what it cost and what to type next.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "nas/report/search_summary.h"

namespace nasengine {

// Plain text of at most 100 columns, as long as names and paths are short. `run_folder` is where
// the run's files are.
std::string SearchScreen(const SearchSummary& summary, const std::string& run_folder);

// The network layer by layer with its share of the multiply-accumulates.
std::string NetworkPicture(const NetworkDesc& network);

}  // namespace nasengine
