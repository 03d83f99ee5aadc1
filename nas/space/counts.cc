// The counting rules, layer by layer.
// SPDX-License-Identifier: MIT
#include "nas/space/counts.h"

#include "kernels/core/error.h"

namespace nasengine {
namespace {

// A convolution without bias and the batch norm behind it.
Counts CountConv(int64_t c_in_per_group, int64_t kernel, const Size3& out) {
  const int64_t weights = c_in_per_group * out.c * kernel * kernel;
  return {.parameters = weights + 2 * out.c, .macs = weights * out.h * out.w};
}

Counts Sum(const Counts& a, const Counts& b) {
  return {.parameters = a.parameters + b.parameters, .macs = a.macs + b.macs};
}

Counts CountMbconv(const LayerDesc& layer) {
  const int64_t middle = ExpandedChannels(layer);
  Counts counts;
  if (layer.expand != 1) counts = CountConv(layer.in.c, 1, {layer.in.h, layer.in.w, middle});
  counts = Sum(counts, CountConv(1, layer.kernel, {layer.out.h, layer.out.w, middle}));
  return Sum(counts, CountConv(middle, 1, layer.out));
}

}  // namespace

Counts CountLayer(const LayerDesc& layer) {
  switch (layer.op) {
    case LayerOp::kConv:
      return CountConv(layer.in.c, layer.kernel, layer.out);
    case LayerOp::kMbconv:
      return CountMbconv(layer);
    case LayerOp::kZero:
      return {};
    case LayerOp::kClassifier:
      break;
  }
  const int64_t weights = layer.in.c * layer.out.c;
  return {.parameters = weights + layer.out.c, .macs = weights};
}

Counts CountNetwork(const NetworkDesc& network) {
  Counts counts;
  for (const LayerDesc& layer : network.layers) counts = Sum(counts, CountLayer(layer));
  return counts;
}

Counts CountPath(const SearchSpace& space, std::span<const int> choice) {
  NAS_CHECK(choice.size() == static_cast<size_t>(space.searchable_blocks()), "space ", space.name,
            ": found a choice for ", choice.size(), " blocks, expected ",
            space.searchable_blocks());
  Counts counts;
  size_t block = 0;
  for (const SpaceNode& node : space.nodes) {
    const auto* fixed = std::get_if<LayerDesc>(&node);
    const LayerDesc& layer =
        fixed != nullptr
            ? *fixed
            : std::get<ChoiceNode>(node).candidates.at(static_cast<size_t>(choice[block++]));
    counts = Sum(counts, CountLayer(layer));
  }
  return counts;
}

int64_t SupernetParameters(const SearchSpace& space) {
  int64_t parameters = 0;
  for (const SpaceNode& node : space.nodes) {
    if (const auto* fixed = std::get_if<LayerDesc>(&node)) {
      parameters += CountLayer(*fixed).parameters;
      continue;
    }
    for (const LayerDesc& candidate : std::get<ChoiceNode>(node).candidates) {
      parameters += CountLayer(candidate).parameters;
    }
  }
  return parameters;
}

double MeanMacs(const SearchSpace& space) {
  double macs = 0.0;
  for (const SpaceNode& node : space.nodes) {
    if (const auto* fixed = std::get_if<LayerDesc>(&node)) {
      macs += static_cast<double>(CountLayer(*fixed).macs);
      continue;
    }
    const auto& candidates = std::get<ChoiceNode>(node).candidates;
    int64_t sum = 0;
    for (const LayerDesc& candidate : candidates) sum += CountLayer(candidate).macs;
    macs += static_cast<double>(sum) / static_cast<double>(candidates.size());
  }
  return macs;
}

}  // namespace nasengine
