// Spelling latency keys and listing those of a description.
// SPDX-License-Identifier: MIT
#include "nas/space/latency_key.h"

#include <map>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

class KeyCollector {
 public:
  void Add(const LayerDesc& layer) {
    std::string key = LatencyKey(layer);
    if (key.empty()) return;
    const auto [entry, is_new] = index_.emplace(key, layers_.size());
    if (is_new) {
      layers_.push_back({std::move(key), layer});
      return;
    }
    const LayerDesc& first = layers_[entry->second].layer;
    NAS_CHECK(first.kernel == layer.kernel, "layers '", first.name, "' and '", layer.name,
              "' have the same latency key ", key, " but kernels ", first.kernel, " and ",
              layer.kernel, ": give one of them another key or none");
  }
  std::vector<KeyedLayer> Take() { return std::move(layers_); }

 private:
  std::map<std::string, size_t> index_;
  std::vector<KeyedLayer> layers_;
};

}  // namespace

std::string LatencyKey(const LayerDesc& layer) {
  const std::string in = "-input:" + ToString(layer.in);
  const std::string out = "-output:" + ToString(layer.out);
  switch (layer.op) {
    case LayerOp::kConv:
      if (!layer.key_prefix.empty()) return layer.key_prefix + in + out;
      return StrCat("Conv", in, out, "-kernel:", layer.kernel, "-stride:", layer.stride);
    case LayerOp::kMbconv:
      return StrCat("expanded_conv", in, out, "-expand:", layer.expand, "-kernel:", layer.kernel,
                    "-stride:", layer.stride, "-idskip:", HasResidual(layer) ? 1 : 0);
    case LayerOp::kZero:
      return "";
    case LayerOp::kClassifier:
      break;
  }
  return StrCat("Logits", in, "-output:", layer.out.c);
}

std::vector<KeyedLayer> DistinctKeys(const SearchSpace& space) {
  KeyCollector keys;
  for (const SpaceNode& node : space.nodes) {
    if (const auto* fixed = std::get_if<LayerDesc>(&node)) {
      keys.Add(*fixed);
      continue;
    }
    for (const LayerDesc& candidate : std::get<ChoiceNode>(node).candidates) keys.Add(candidate);
  }
  return keys.Take();
}

std::vector<KeyedLayer> DistinctKeys(const NetworkDesc& network) {
  KeyCollector keys;
  for (const LayerDesc& layer : network.layers) keys.Add(layer);
  return keys.Take();
}

}  // namespace nasengine
