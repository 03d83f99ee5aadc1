// Running a description's graph: each node gets the value of the layer it names as input, and a
// value dies with its last reader.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "autograd/variable.h"
#include "nas/space/layer_desc.h"

namespace nasengine {

// Calls run(i, x) for every layer i in order, x being the value of its input, and returns the last
// layer's value. `layers[i]` describes layer i.
template <class Run>
Variable RunLayerGraph(const std::vector<const LayerDesc*>& layers, Variable image,
                       const Run& run) {
  std::map<std::string, std::size_t> last_reader;
  for (std::size_t i = 0; i < layers.size(); ++i) last_reader[layers[i]->inputs.front()] = i;
  std::map<std::string, Variable> values;
  values.emplace(kImageInput, std::move(image));
  Variable last;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string& input = layers[i]->inputs.front();
    const auto found = values.find(input);
    NAS_CHECK(found != values.end(), "layer '", layers[i]->name, "': input '", input,
              "' is no earlier layer");
    Variable x = found->second;
    if (last_reader[input] == i) values.erase(found);
    last = run(i, x);
    if (i + 1 < layers.size()) values.emplace(layers[i]->name, last);
  }
  return last;
}

}  // namespace nasengine
