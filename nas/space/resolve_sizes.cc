// One walk along the chain in which every size follows from the one before.
// SPDX-License-Identifier: MIT
#include "nas/space/resolve_sizes.h"

#include <map>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

struct Producer {
  Size3 size;
  size_t node = 0;
  bool used = false;
};

using Producers = std::map<std::string, Producer, std::less<>>;

const std::string& NodeName(const SpaceNode& node) {
  const auto* fixed = std::get_if<LayerDesc>(&node);
  return fixed != nullptr ? fixed->name : std::get<ChoiceNode>(node).name;
}

std::span<LayerDesc> LayersOf(SpaceNode& node) {
  if (auto* fixed = std::get_if<LayerDesc>(&node)) return {fixed, 1};
  return std::get<ChoiceNode>(node).candidates;
}

void ResolveLayer(LayerDesc& layer, const Size3& in, int64_t classes, const std::string& place) {
  layer.in = in;
  switch (layer.op) {
    case LayerOp::kZero:
      NAS_CHECK(in.c == layer.out.c && layer.stride == 1, place, ": found Zero in block '",
                layer.name, "' from ", in.c, " to ", layer.out.c,
                " channels, expected it only where stride is 1 and the channels stay");
      layer.out = in;
      return;
    case LayerOp::kClassifier:
      layer.out = {1, 1, classes};
      return;
    case LayerOp::kConv:
    case LayerOp::kMbconv:
      NAS_CHECK(layer.stride == 1 || (in.h >= 2 && in.w >= 2), place, ": found stride ",
                layer.stride, " of '", layer.name, "' on a map of ", in.h, "x", in.w,
                ", expected at least 2x2: use larger images or fewer strides");
      layer.out = OutputSize(in, layer.stride, layer.out.c);
      return;
  }
}

// The output size of the one input, marked as used.
Size3 TakeInput(const LayerDesc& layer, Producers& producers, const std::string& place) {
  const auto input = producers.find(layer.inputs.front());
  NAS_CHECK(input != producers.end(), place, ": found the input '", layer.inputs.front(),
            "' of layer '", layer.name, "', expected the name of an earlier layer or 'input'");
  input->second.used = true;
  return input->second.size;
}

// `what` is what messages start with.
void ChangeData(SearchSpace& space, const std::string& what, const Size3& input, int64_t classes) {
  NAS_CHECK(input.h > 0 && input.w > 0 && input.c > 0, what, ": found images of ", ToString(input),
            ", expected sizes of at least 1");
  NAS_CHECK(classes >= 2, what, ": found ", classes, " classes, expected at least 2");
  space.input = input;
  space.classes = classes;
  const std::vector<std::string> places(space.nodes.size(),
                                        StrCat(what, " with images of ", ToString(input)));
  ResolveSizes(space, places);
}

}  // namespace

void ResolveSizes(SearchSpace& space, std::span<const std::string> places) {
  Producers producers;
  producers[std::string(kImageInput)] = {space.input, 0, true};
  for (size_t i = 0; i < space.nodes.size(); ++i) {
    const std::span<LayerDesc> layers = LayersOf(space.nodes[i]);
    const std::string& name = NodeName(space.nodes[i]);
    const Size3 in = TakeInput(layers.front(), producers, places[i]);
    for (LayerDesc& layer : layers) ResolveLayer(layer, in, space.classes, places[i]);
    const bool is_last = i + 1 == space.nodes.size();
    const bool is_classifier = layers.front().op == LayerOp::kClassifier;
    NAS_CHECK(is_last || !is_classifier, places[i], ": found the classifier '", name,
              "' before other layers, expected it last");
    NAS_CHECK(!is_last || is_classifier, places[i], ": found '", name,
              "' at the end, expected a classifier");
    NAS_CHECK(producers.emplace(name, Producer{layers.front().out, i, is_last}).second, places[i],
              ": found the name '", name, "' a second time, expected every name once");
  }
  for (const auto& [name, producer] : producers) {
    NAS_CHECK(producer.used, places[producer.node], ": found no layer that uses the output of '",
              name, "', expected one");
  }
}

SearchSpace WithData(const SearchSpace& space, const Size3& input, int64_t classes) {
  SearchSpace changed = space;
  ChangeData(changed, StrCat("space ", space.name), input, classes);
  return changed;
}

NetworkDesc WithData(const NetworkDesc& network, const Size3& input, int64_t classes) {
  SearchSpace chain;
  chain.nodes.assign(network.layers.begin(), network.layers.end());
  ChangeData(chain, StrCat("network ", network.name), input, classes);
  NetworkDesc changed = network;
  changed.input = input;
  changed.classes = classes;
  for (size_t i = 0; i < chain.nodes.size(); ++i) {
    changed.layers[i] = std::get<LayerDesc>(chain.nodes[i]);
  }
  return changed;
}

}  // namespace nasengine
