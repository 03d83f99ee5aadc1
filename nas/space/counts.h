// Parameters and multiply-accumulates of a description.
//
// Parameters: convolution weights, scale and shift of each batch norm, the linear layer with bias.
// MACs: one image; in.c * out.c * k * k * out.h * out.w / groups per convolution, plus the
// classifier's weights; batch norm, activation, pooling, addition and a skipped block count 0.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "nas/space/search_space.h"

namespace nasengine {

struct Counts {
  int64_t parameters = 0;
  int64_t macs = 0;

  friend bool operator==(const Counts&, const Counts&) = default;
};

Counts CountLayer(const LayerDesc& layer);
Counts CountNetwork(const NetworkDesc& network);
// The network of one choice, without building it.
Counts CountPath(const SearchSpace& space, std::span<const int> choice);

// Weights of all candidates and fixed layers together; nothing is shared between candidates.
int64_t SupernetParameters(const SearchSpace& space);

// Multiply-accumulates of a path on average when every candidate is equally likely.
double MeanMacs(const SearchSpace& space);

}  // namespace nasengine
