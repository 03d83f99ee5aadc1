// A latency table for a space out of a formula, for tests that need known times and no clock.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

#include "nas/latency/latency_table.h"
#include "nas/space/latency_key.h"

namespace nasengine {

// Every key of the space, timed by `latency_ms`.
inline LatencyTable FakeLatencyTable(const SearchSpace& space,
                                     const std::function<double(const LayerDesc&)>& latency_ms) {
  LatencyTable table{.device = "a formula",
                     .runtime = "none",
                     .created_by = "a test",
                     .protocol = "computed, not measured"};
  for (const KeyedLayer& keyed : DistinctKeys(space)) {
    table.entries[keyed.key] = {.cost = latency_ms(keyed.layer), .mad = 0, .samples = 1};
  }
  return table;
}

// The same with 1 us a layer plus roughly 1 ns a multiply-accumulate.
inline LatencyTable FakeLatencyTable(const SearchSpace& space) {
  return FakeLatencyTable(space, [](const LayerDesc& layer) {
    const double middle = static_cast<double>(ExpandedChannels(layer));
    const double pixels = static_cast<double>(layer.out.h * layer.out.w);
    const double work = middle * (layer.kernel * layer.kernel + static_cast<double>(layer.out.c));
    return 1e-3 + 1e-6 * pixels * work;
  });
}

}  // namespace nasengine
