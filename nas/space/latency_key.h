// The grammar of latency keys: one string per distinct layer, under which tables hold its time.
//
//   Conv-input:224x224x3-output:112x112x32            conv with key = "Conv" (stem)
//   Conv_1-input:7x7x320-output:7x7x1280              conv with key = "Conv_1" (feature mix)
//   Conv-input:HxWxC-output:HxWxC-kernel:K-stride:S   any other conv
//   expanded_conv-input:HxWxC-output:HxWxC-expand:E-kernel:K-stride:S-idskip:I   MBConv
//   Logits-input:HxWxC-output:K                       pool and linear
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "nas/space/search_space.h"

namespace nasengine {

// The key of a layer; empty for kZero, which costs nothing and is in no table.
std::string LatencyKey(const LayerDesc& layer);

// Every key of the space once, with a layer that has it, in order of first appearance.
// Throws kInvalidArgument when two layers of different kernels would share a key.
struct KeyedLayer {
  std::string key;
  LayerDesc layer;
};
std::vector<KeyedLayer> DistinctKeys(const SearchSpace& space);
std::vector<KeyedLayer> DistinctKeys(const NetworkDesc& network);

}  // namespace nasengine
