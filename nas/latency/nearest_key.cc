// SPDX-License-Identifier: MIT
#include "nas/latency/nearest_key.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace nasengine {
namespace {

// "expanded_conv-input:7x7x8-output:..." -> "expanded_conv", "input:7x7x8", ...
std::vector<std::string_view> Parts(std::string_view key) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= key.size();) {
    const std::size_t end = std::min(key.find('-', at), key.size());
    parts.push_back(key.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

}  // namespace

NearestKey FindNearestKey(const LatencyTable& table, std::string_view key) {
  const std::vector<std::string_view> wanted = Parts(key);
  NearestKey nearest;
  std::size_t fewest = wanted.size();
  for (const auto& [candidate, entry] : table.entries) {
    const std::vector<std::string_view> parts = Parts(candidate);
    if (parts.size() != wanted.size() || parts.front() != wanted.front()) continue;
    std::size_t count = 0;
    std::string differing;
    for (std::size_t i = 1; i < parts.size(); ++i) {
      if (parts[i] == wanted[i]) continue;
      ++count;
      differing += (differing.empty() ? "" : ", ") + std::string(parts[i]);
    }
    if (count >= fewest) continue;
    fewest = count;
    nearest = {candidate, std::move(differing)};
  }
  return nearest;
}

}  // namespace nasengine
