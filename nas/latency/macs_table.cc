// SPDX-License-Identifier: MIT
#include "nas/latency/macs_table.h"

#include "nas/space/counts.h"

namespace nasengine {

LatencyTable MacsTable(std::span<const KeyedLayer> layers) {
  constexpr double kMillion = 1e6;
  LatencyTable table{.cost = {.name = std::string(kMacsTableName), .unit = "M"},
                     .device = "any",
                     .runtime = "none",
                     .created_by = "nasengine",
                     .protocol = "counted, not measured"};
  for (const KeyedLayer& keyed : layers) {
    const auto macs = static_cast<double>(CountLayer(keyed.layer).macs);
    table.entries[keyed.key] = {.cost = macs / kMillion, .mad = 0, .samples = 1};
  }
  return table;
}

}  // namespace nasengine
