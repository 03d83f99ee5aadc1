// The mean and spread of a data set's pixels, by which images are normalised.
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "data/dataset.h"

namespace nasengine {

// Mean and standard deviation of pixels / 255, one a channel.
struct ChannelStats {
  std::vector<float> mean;
  std::vector<float> std;
};

// Exact sums over all images, or over a fixed random sample where the set has more than 64 MiB of
// pixels. A channel that never varies gets the standard deviation 1.
ChannelStats ComputeChannelStats(const Dataset& dataset);

}  // namespace nasengine
