// Accuracy and loss over a whole set, in f32 whatever type training computes in, and the running
// statistics that an evaluation needs.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "data/loader.h"
#include "nas/supernet/network.h"
#include "nas/supernet/supernet.h"

namespace nasengine {

struct Evaluation {
  double top1 = 0;  // percent
  double top5 = 0;  // percent
  double loss = 0;  // cross-entropy, mean over the images
  std::int64_t images = 0;
};

// A network as it is deployed: folded with its running statistics, run by nas/deploy. Throws what
// Fold throws.
Evaluation Evaluate(Context& context, const Network& network, EvalBatches& batches);
// A path of the supernet with each batch's own statistics, since the running ones belong to a
// mixture of paths.
Evaluation Evaluate(Context& context, const Supernet& supernet, std::span<const int> path,
                    EvalBatches& batches);

// Replaces the running statistics by their plain average over the next `batches` batches of
// `loader`, computed in the network's type as in its training.
void CalibrateBatchNorms(Context& context, Network& network, Loader& loader, int batches);

}  // namespace nasengine
