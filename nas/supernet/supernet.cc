// SPDX-License-Identifier: MIT
#include "nas/supernet/supernet.h"

#include <utility>
#include <variant>

#include "nas/supernet/layer_graph.h"

namespace nasengine {

Supernet::Supernet(Context& context, const SearchSpace& space, ComputeOptions compute)
    : space_(space), compute_(std::move(compute)) {
  CheckOptions(compute_, space_.nodes.size());
  const WeightStart own{.init = space.recipe.weight_init};
  const bool aligned = space.recipe.candidate_start == CandidateStart::kAligned;
  for (const SpaceNode& node : space_.nodes) {
    Node built;
    if (const auto* choice = std::get_if<ChoiceNode>(&node)) {
      WeightStart start = own;
      if (aligned) start.aligned_as = choice->name + "/";
      built.mixed = std::make_unique<MixedOp>(context, *choice, space.batch_norm, start);
      built.block = blocks();
      gate_of_.push_back(choice->gate);
      if (choice->gate == static_cast<int>(gates_.size())) {
        gates_.emplace_back(static_cast<int>(choice->candidates.size()));
      }
    } else {
      const auto& desc = std::get<LayerDesc>(node);
      built.fixed =
          std::make_unique<BuiltLayer>(context, desc, space.batch_norm, desc.name + "/", own);
    }
    nodes_.push_back(std::move(built));
  }
  if (dtype() != DType::kBf16) return;
  for (ParameterSlab* slab : Slabs()) slab->AllocateWorkingCopy();
}

void Supernet::Initialize(std::uint32_t seed) {
  const Rng weights(seed, RngPurpose::kWeights);
  const Rng alphas(seed, RngPurpose::kAlpha);
  const Recipe& recipe = space_.recipe;
  for (const Node& node : nodes_) {
    if (node.fixed != nullptr) {
      node.fixed->Initialize(weights);
      continue;
    }
    for (const auto& layer : node.mixed->layers()) {
      if (layer != nullptr) layer->Initialize(weights);
    }
  }
  for (std::size_t g = 0; g < gates_.size(); ++g) {
    gates_[g].Initialize(alphas, static_cast<int>(g), recipe.alpha_init, recipe.alpha_init_std);
  }
}

template <class Visit>
Variable Supernet::Walk(const Tensor& images, const ForwardOptions& options,
                        const Visit& visit) const {
  std::vector<const LayerDesc*> descs;
  for (const SpaceNode& node : space_.nodes) {
    const auto* choice = std::get_if<ChoiceNode>(&node);
    descs.push_back(choice != nullptr ? &choice->candidates.front() : &std::get<LayerDesc>(node));
  }
  return RunLayerGraph(descs, Variable(images), [&](std::size_t i, const Variable& x) {
    return visit(nodes_[i], x, options.With(compute_.RecomputeOf(i)));
  });
}

Variable Supernet::Forward(Tape& tape, const Tensor& images, std::span<const int> path,
                           std::span<GateGradients> gates, const ForwardOptions& options) const {
  NAS_CHECK(static_cast<int>(path.size()) == blocks(), "supernet: the path has ", path.size(),
            " blocks, the space ", blocks());
  return Walk(images, options, [&](const Node& node, const Variable& x, const ForwardOptions& own) {
    if (node.fixed != nullptr) return node.fixed->Forward(tape, x, own);
    const int active = path[static_cast<std::size_t>(node.block)];
    return node.mixed->Forward(tape, x, active, GatesOf(gates, node), own);
  });
}

Variable Supernet::ForwardAll(Tape& tape, const Tensor& images, std::span<GateGradients> gates,
                              const ForwardOptions& options) const {
  return Walk(images, options, [&](const Node& node, const Variable& x, const ForwardOptions& own) {
    if (node.fixed != nullptr) return node.fixed->Forward(tape, x, own);
    const int gate = gate_of_[static_cast<std::size_t>(node.block)];
    const std::vector<double> p = gates_[static_cast<std::size_t>(gate)].Probabilities();
    const std::vector<float> weights(p.begin(), p.end());
    return node.mixed->ForwardAll(tape, x, weights, GatesOf(gates, node), own);
  });
}

GateGradients* Supernet::GatesOf(std::span<GateGradients> gates, const Node& node) const {
  NAS_CHECK(gates.empty() || static_cast<int>(gates.size()) == blocks(), "supernet: ", gates.size(),
            " gate gradients for ", blocks(), " blocks");
  return gates.empty() ? nullptr : &gates[static_cast<std::size_t>(node.block)];
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
  std::vector<int> of_gate;
  for (const BinaryGate& gate : gates_) of_gate.push_back(gate.Best());
  return PathOfGates(space_, of_gate);
}

Path Supernet::SamplePath(const Rng& rng, std::uint64_t step) const {
  std::vector<int> of_gate;
  for (std::size_t g = 0; g < gates_.size(); ++g) {
    of_gate.push_back(gates_[g].Sample(rng, step, static_cast<int>(g)));
  }
  return PathOfGates(space_, of_gate);
}

AlphaRows Supernet::AlphasByBlock() const {
  AlphaRows rows;
  for (const int gate : gate_of_) {
    const auto alpha = gates_[static_cast<std::size_t>(gate)].alpha();
    rows.emplace_back(alpha.begin(), alpha.end());
  }
  return rows;
}

std::unique_ptr<Network> Supernet::Derive(Context& context, std::span<const int> path) const {
  auto network = std::make_unique<Network>(context, nasengine::Derive(space_, path),
                                           space_.recipe.weight_init, compute_);
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
