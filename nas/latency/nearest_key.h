// Which entry of a table comes closest to a key that it lacks: what a user who wonders why a
// network has no prediction wants to see.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "nas/latency/latency_table.h"

namespace nasengine {

struct NearestKey {
  std::string key;
  // The attributes of `key` that differ, such as "output:56x56x24, stride:2".
  std::string differing;
};

// Among the keys of the same kind of layer that with most attributes in common, the first of
// equals; empty where the table has no such layer. `key` is as in nas/space/latency_key.h.
NearestKey FindNearestKey(const LatencyTable& table, std::string_view key);

}  // namespace nasengine
