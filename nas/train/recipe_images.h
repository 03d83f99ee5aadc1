// What a recipe asks of the images, in the terms of nas/data's loaders: which are held out, how
// they are augmented, and in what batches an epoch gives them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "data/augment.h"
#include "data/sampler.h"
#include "data/split.h"
#include "nas/space/recipe.h"

namespace nasengine {

// The given mean and standard deviation of each channel, or, where they are empty, those of the
// training images. Throws kInvalidArgument unless there is one for every channel of `measured`.
ChannelStats NormalizationOf(const std::vector<double>& mean, const std::vector<double>& std,
                             const ChannelStats& measured);

// For the weight steps of a search, and for the training of its network.
AugmentConfig SearchAugment(const Recipe& recipe, const ChannelStats& stats);
AugmentConfig TrainAugment(const Recipe& recipe, const ChannelStats& stats);

// The images for the weights and for the architecture, by the recipe's seed of its own or the
// run's. Throws what the split throws.
Split HeldOutSplit(const Dataset& dataset, const Recipe& recipe, std::uint32_t run_seed);

SampleOrder TrainingOrder(const Recipe& recipe);
// The sizes that an epoch's batches have: `batch`, and what is left where that is kept.
std::vector<std::int64_t> TrainingSizes(const Recipe& recipe, std::int64_t batch,
                                        std::int64_t images);

}  // namespace nasengine
