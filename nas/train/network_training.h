// Training a concrete network by its recipe.
// SPDX-License-Identifier: MIT
#pragma once

#include "data/loader.h"
#include "kernels/core/allocator.h"
#include "nas/space/recipe.h"
#include "nas/supernet/network.h"
#include "nas/train/step_record.h"

namespace nasengine {

struct NetworkTraining {
  int epochs = 1;
  double lr = 0.05;
  std::uint32_t seed = 0;      // of dropout
  std::int64_t max_steps = 0;  // > 0 bounds the steps
};

// SGD with momentum, weight decay, ramp, label smoothing and dropout by `recipe`, cosine per batch
// to 0. Returns the seconds it took.
double TrainNetwork(Context& context, CachingAllocator& allocator, Network& network, Loader& loader,
                    const Recipe& recipe, const NetworkTraining& training,
                    const LoopControl& control);

}  // namespace nasengine
