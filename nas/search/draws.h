// How a searcher numbers its draws from the stream of gates: weight and architecture steps share
// the stream without ever sharing a draw, so that neither shifts the other.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace nasengine {

constexpr std::uint64_t WeightDraw(std::uint64_t step) { return 2 * step; }
constexpr std::uint64_t ArchitectureDraw(std::uint64_t step) { return 2 * step + 1; }

}  // namespace nasengine
