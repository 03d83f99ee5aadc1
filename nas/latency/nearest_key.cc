// SPDX-License-Identifier: MIT
#include "nas/latency/nearest_key.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
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

// The numbers of "input:7x7x8".
std::vector<double> Numbers(std::string_view part) {
  std::vector<double> numbers;
  bool in_number = false;
  for (const char c : part) {
    const bool is_digit = c >= '0' && c <= '9';
    if (is_digit && !in_number) numbers.push_back(0);
    if (is_digit) numbers.back() = 10 * numbers.back() + (c - '0');
    in_number = is_digit;
  }
  return numbers;
}

// How many times as large the numbers of one part are as those of the other, as a sum of
// logarithms.
double Distance(std::string_view a, std::string_view b) {
  const std::vector<double> left = Numbers(a), right = Numbers(b);
  double distance = 0;
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    distance += std::abs(std::log((left[i] + 1) / (right[i] + 1)));
  }
  return distance;
}

}  // namespace

NearestKey FindNearestKey(const LatencyTable& table, std::string_view key) {
  const std::vector<std::string_view> wanted = Parts(key);
  NearestKey nearest;
  std::pair<std::size_t, double> least{wanted.size(), 0};  // differing parts, then how far
  for (const auto& [candidate, entry] : table.entries) {
    const std::vector<std::string_view> parts = Parts(candidate);
    if (parts.size() != wanted.size() || parts.front() != wanted.front()) continue;
    std::pair<std::size_t, double> apart;
    std::string differing;
    for (std::size_t i = 1; i < parts.size(); ++i) {
      if (parts[i] == wanted[i]) continue;
      ++apart.first;
      apart.second += Distance(parts[i], wanted[i]);
      differing += (differing.empty() ? "" : ", ") + std::string(parts[i]);
    }
    if (apart >= least) continue;
    least = apart;
    nearest = {candidate, std::move(differing)};
  }
  return nearest;
}

}  // namespace nasengine
