// Every layer and candidate of every built-in search space and network, for tests of what all of
// them need.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "nas/space/layer_desc.h"
#include "nas/space/network_zoo.h"
#include "nas/space/space_file.h"

namespace nasengine {

// With repetitions.
inline std::vector<LayerDesc> BuiltinLayers() {
  std::vector<LayerDesc> layers;
  for (const std::string& name : BuiltinSpaceNames()) {
    for (const SpaceNode& node : LoadSpace(name).nodes) {
      if (const auto* fixed = std::get_if<LayerDesc>(&node)) {
        layers.push_back(*fixed);
      } else {
        const auto& candidates = std::get<ChoiceNode>(node).candidates;
        layers.insert(layers.end(), candidates.begin(), candidates.end());
      }
    }
  }
  for (const std::string& name : BuiltinNetworkNames()) {
    const NetworkDesc network = LoadNetwork(name);
    layers.insert(layers.end(), network.layers.begin(), network.layers.end());
  }
  return layers;
}

}  // namespace nasengine
