// SPDX-License-Identifier: MIT
#include "nas/supernet/supernet.h"

#include <variant>

#include "nas/supernet/layer_graph.h"

namespace nasengine {

Supernet::Supernet(Context& context, const SearchSpace& space) : space_(space) {
  for (const SpaceNode& node : space_.nodes) {
    Node built;
    if (const auto* choice = std::get_if<ChoiceNode>(&node)) {
      built.mixed = std::make_unique<MixedOp>(context, *choice, space.batch_norm);
      built.block = blocks();
      gates_.emplace_back(static_cast<int>(choice->candidates.size()));
    } else {
      const auto& desc = std::get<LayerDesc>(node);
      built.fixed = std::make_unique<BuiltLayer>(context, desc, space.batch_norm, desc.name + "/");
    }
    nodes_.push_back(std::move(built));
  }
}

void Supernet::Initialize(std::uint32_t seed) {
  const Rng weights(seed, RngPurpose::kWeights);
  const Rng alphas(seed, RngPurpose::kAlpha);
  for (const Node& node : nodes_) {
    if (node.fixed != nullptr) {
      node.fixed->Initialize(weights);
      continue;
    }
    for (const auto& layer : node.mixed->layers()) {
      if (layer != nullptr) layer->Initialize(weights);
    }
    gates_[static_cast<std::size_t>(node.block)].Initialize(alphas, node.block,
                                                            space_.recipe.alpha_init_std);
  }
}

template <class Visit>
Variable Supernet::Walk(const Tensor& images, const Visit& visit) const {
  std::vector<const LayerDesc*> descs;
  for (const SpaceNode& node : space_.nodes) {
    const auto* choice = std::get_if<ChoiceNode>(&node);
    descs.push_back(choice != nullptr ? &choice->candidates.front() : &std::get<LayerDesc>(node));
  }
  return RunLayerGraph(descs, Variable(images),
                       [&](std::size_t i, const Variable& x) { return visit(nodes_[i], x); });
}

Variable Supernet::Forward(Tape& tape, const Tensor& images, std::span<const int> path,
                           std::span<GateGradients> gates, const ForwardOptions& options) const {
  NAS_CHECK(static_cast<int>(path.size()) == blocks(), "supernet: the path has ", path.size(),
            " blocks, the space ", blocks());
  NAS_CHECK(gates.empty() || gates.size() == path.size(), "supernet: ", gates.size(),
            " gate gradients for ", path.size(), " blocks");
  return Walk(images, [&](const Node& node, const Variable& x) {
    if (node.fixed != nullptr) return node.fixed->Forward(tape, x, options);
    const auto block = static_cast<std::size_t>(node.block);
    return node.mixed->Forward(tape, x, path[block], gates.empty() ? nullptr : &gates[block],
                               options);
  });
}

Variable Supernet::ForwardAll(Tape& tape, const Tensor& images,
                              const ForwardOptions& options) const {
  return Walk(images, [&](const Node& node, const Variable& x) {
    if (node.fixed != nullptr) return node.fixed->Forward(tape, x, options);
    const std::vector<double> p = gates_[static_cast<std::size_t>(node.block)].Probabilities();
    return node.mixed->ForwardAll(tape, x, std::vector<float>(p.begin(), p.end()), options);
  });
}

std::vector<ParameterSlab*> Supernet::Slabs(std::span<const int> path) const {
  std::vector<ParameterSlab*> slabs;
  for (const Node& node : nodes_) {
    BuiltLayer* layer = node.fixed != nullptr
                            ? node.fixed.get()
                            : node.mixed->candidate(path[static_cast<std::size_t>(node.block)]);
    if (layer != nullptr) slabs.push_back(&layer->parameters());
  }
  return slabs;
}

std::vector<ParameterSlab*> Supernet::Slabs() const {
  std::vector<ParameterSlab*> slabs;
  for (const Node& node : nodes_) {
    if (node.fixed != nullptr) {
      slabs.push_back(&node.fixed->parameters());
      continue;
    }
    for (const auto& layer : node.mixed->layers()) {
      if (layer != nullptr) slabs.push_back(&layer->parameters());
    }
  }
  return slabs;
}

Path Supernet::BestPath() const {
  Path path;
  for (const BinaryGate& gate : gates_) path.push_back(gate.Best());
  return path;
}

Path Supernet::SamplePath(const Rng& rng, std::uint64_t step) const {
  Path path;
  for (int block = 0; block < blocks(); ++block) {
    path.push_back(gates_[static_cast<std::size_t>(block)].Sample(rng, step, block));
  }
  return path;
}

double Supernet::MeanEntropy() const {
  double sum = 0;
  for (const BinaryGate& gate : gates_) sum += gate.Entropy();
  return gates_.empty() ? 0 : sum / static_cast<double>(gates_.size());
}

std::unique_ptr<Network> Supernet::Derive(Context& context, std::span<const int> path) const {
  auto network = std::make_unique<Network>(context, nasengine::Derive(space_, path));
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    const BuiltLayer* from =
        node.fixed != nullptr ? node.fixed.get()
                              : node.mixed->candidate(path[static_cast<std::size_t>(node.block)]);
    if (from != nullptr) network->layers()[i]->CopyWeights(*from);
  }
  return network;
}

}  // namespace nasengine
