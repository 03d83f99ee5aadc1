// The networks that a found one is compared with: same space, same latency, no search.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nas/latency/latency_model.h"
#include "nas/supernet/supernet.h"

namespace nasengine {

struct BaselinePath {
  std::string kind;  // for people
  Path path;
};

// Kinds of networks that a found one is compared with.
inline constexpr int kMostBaselines = 3;

// For a found network of `latency_ms`: the uniform network (one operation in every block that has
// it) nearest below it, the network of most multiply-accumulates within it, and a random one within
// 5 % of it. A kind for which the space has no network is left out, and tied blocks take one
// candidate.
std::vector<BaselinePath> BaselinePaths(const SearchSpace& space, const LatencyModel& model,
                                        double latency_ms, std::uint32_t seed);

}  // namespace nasengine
