// Multiply-accumulates in the form of a table, so that a search or a prediction can count them
// where it would count milliseconds.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>

#include "nas/latency/latency_table.h"
#include "nas/space/latency_key.h"

namespace nasengine {

// What --latency-table takes for this table.
inline constexpr std::string_view kMacsTableName = "macs";

// Millions of multiply-accumulates ("M") of every layer, as nas/space/counts.h counts them.
LatencyTable MacsTable(std::span<const KeyedLayer> layers);

}  // namespace nasengine
