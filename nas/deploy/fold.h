// From a trained network to its deployed form: every batch norm becomes part of the convolution
// before it, every skipped block vanishes.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "nas/deploy/folded_graph.h"
#include "nas/supernet/network.h"

namespace nasengine {

// Folds with the running statistics, per output channel and in f64:
//   weight' = weight * s, bias' = beta - mean * s, s = gamma / sqrt(variance + epsilon).
// The graph owns copies; the network may change or go. Throws kInvalidArgument, naming the layer,
// for a negative variance or a weight that is not finite after folding.
FoldedGraph Fold(Context& context, const Network& network);

// One layer on its own, its input being the image, with weights drawn from `seed`: what a profiler
// times. Throws kInvalidArgument for kZero, which is no computation.
FoldedGraph FoldLayer(Context& context, const LayerDesc& layer, const BatchNormDesc& batch_norm,
                      std::uint32_t seed);

}  // namespace nasengine
