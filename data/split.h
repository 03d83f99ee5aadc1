// Splitting a training set into images for the weights and images for the architecture.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace nasengine {

// Disjoint, together complete, each ascending.
struct Split {
  std::vector<std::int32_t> weights;
  std::vector<std::int32_t> architecture;
};

// Holds out exactly `held_out_count` images, from every class its share (rounded down, the largest
// remainders rounded up, ties to the lower class), drawn by Rng(seed, kSplit).
// Throws kInvalidArgument unless 0 <= held_out_count <= dataset.size().
Split StratifiedSplit(const Dataset& dataset, std::int64_t held_out_count, std::uint32_t seed);

// The same, but as many from every class (one more from the lower classes where it does not divide
// evenly). Throws kInvalidArgument also where a class has too few images.
Split EqualSplit(const Dataset& dataset, std::int64_t held_out_count, std::uint32_t seed);

// 0 .. dataset.size() - 1.
std::vector<std::int32_t> AllIndices(const Dataset& dataset);

}  // namespace nasengine
