// SPDX-License-Identifier: MIT
#include "bench/kept_bytes.h"

#include <map>
#include <string>
#include <vector>

namespace nasengine {
namespace {

constexpr std::int64_t kBytesPerNumber = 4;

// The candidates that a block evaluates; none where Zero is active.
using Evaluated = std::vector<const LayerDesc*>;

std::int64_t Elements(const Size3& size, std::int64_t channels) {
  return size.h * size.w * channels;
}

// What a batch norm keeps: its input, and two numbers a channel whatever the batch.
std::int64_t KeptByNorm(const Size3& size, std::int64_t channels, std::int64_t batch) {
  return batch * Elements(size, channels) + 2 * channels;
}

// Numbers that a layer keeps of its own making; its input and its output are counted by the graph.
std::int64_t KeptInside(const LayerDesc& layer, std::int64_t batch) {
  switch (layer.op) {
    case LayerOp::kConv:
      return KeptByNorm(layer.out, layer.out.c, batch);
    case LayerOp::kMbconv: {
      const std::int64_t middle = ExpandedChannels(layer);
      const std::int64_t expanded = layer.expand > 1 ? KeptByNorm(layer.in, middle, batch) +
                                                           batch * Elements(layer.in, middle)
                                                     : 0;
      return expanded + KeptByNorm(layer.out, middle, batch) + batch * Elements(layer.out, middle) +
             KeptByNorm(layer.out, layer.out.c, batch);
    }
    case LayerOp::kClassifier:
      return batch * (layer.in.c + layer.out.c);
    case LayerOp::kZero:
      break;
  }
  return 0;
}

// What goes from layer to layer: a skipped block hands on its input under its own name.
struct Value {
  std::int64_t numbers = 0;
  bool read = false;  // by a backward function
};

// `evaluated_of(choice, block)` gives what a searchable block evaluates.
template <class EvaluatedOf>
std::int64_t Kept(const SearchSpace& space, std::int64_t batch, const EvaluatedOf& evaluated_of) {
  std::vector<Value> values(1);  // the image, of which nothing is counted
  std::map<std::string, std::size_t> value_of{{std::string(kImageInput), 0}};
  std::int64_t kept = 0;
  std::size_t block = 0;
  for (const SpaceNode& node : space.nodes) {
    const auto* choice = std::get_if<ChoiceNode>(&node);
    const LayerDesc& desc =
        choice != nullptr ? choice->candidates.front() : std::get<LayerDesc>(node);
    const Evaluated evaluated =
        choice != nullptr ? evaluated_of(*choice, block++) : Evaluated{&desc};
    const std::size_t input = value_of.at(desc.inputs.front());
    value_of[desc.name] = evaluated.empty() ? input : values.size();
    if (evaluated.empty()) continue;
    for (const LayerDesc* layer : evaluated) kept += KeptInside(*layer, batch);
    if (desc.op != LayerOp::kClassifier) values[input].read = true;
    values.push_back({.numbers = batch * Elements(desc.out, desc.out.c)});
  }
  for (const Value& value : values) kept += value.read ? value.numbers : 0;
  return kBytesPerNumber * kept;
}

}  // namespace

std::int64_t KeptBytes(const SearchSpace& space, std::span<const int> path, std::int64_t batch) {
  return Kept(space, batch, [&](const ChoiceNode& choice, std::size_t block) {
    const LayerDesc& active = choice.candidates[static_cast<std::size_t>(path[block])];
    return active.op == LayerOp::kZero ? Evaluated{} : Evaluated{&active};
  });
}

std::int64_t KeptBytesOfAllPaths(const SearchSpace& space, std::int64_t batch) {
  return Kept(space, batch, [](const ChoiceNode& choice, std::size_t) {
    Evaluated layers;
    for (const LayerDesc& candidate : choice.candidates) {
      if (candidate.op != LayerOp::kZero) layers.push_back(&candidate);
    }
    return layers;
  });
}

std::vector<int> MostKeepingPath(const SearchSpace& space) {
  std::vector<int> path;
  for (const ChoiceNode* choice : space.Choices()) {
    int most = 0;
    for (int k = 1; k < static_cast<int>(choice->candidates.size()); ++k) {
      const auto kept = [&](int candidate) {
        return KeptInside(choice->candidates[static_cast<std::size_t>(candidate)], 1);
      };
      if (kept(k) > kept(most)) most = k;
    }
    path.push_back(most);
  }
  return path;
}

}  // namespace nasengine
