// SPDX-License-Identifier: MIT
#include "nas/supernet/network.h"

#include <utility>

#include "nas/supernet/layer_graph.h"

namespace nasengine {

Network::Network(Context& context, const NetworkDesc& desc, WeightInit init, ComputeOptions compute)
    : desc_(desc), compute_(std::move(compute)) {
  CheckNetwork(desc, desc.name);
  CheckOptions(compute_, desc_.layers.size());
  for (const LayerDesc& layer : desc_.layers) {
    if (layer.op == LayerOp::kZero) {
      layers_.push_back(nullptr);
    } else {
      layers_.push_back(std::make_unique<BuiltLayer>(context, layer, desc.batch_norm,
                                                     layer.name + "/", WeightStart{.init = init}));
    }
  }
  if (dtype() != DType::kBf16) return;
  for (ParameterSlab* slab : Slabs()) slab->AllocateWorkingCopy();
}

Variable Network::Forward(Tape& tape, const Tensor& images, const ForwardOptions& options) const {
  std::vector<const LayerDesc*> descs;
  for (const LayerDesc& layer : desc_.layers) descs.push_back(&layer);
  return RunLayerGraph(descs, Variable(images), [&](std::size_t i, const Variable& x) {
    if (layers_[i] == nullptr) return x;
    return layers_[i]->Forward(tape, x, options.With(compute_.RecomputeOf(i)));
  });
}

void Network::Initialize(std::uint32_t seed) {
  const Rng rng(seed, RngPurpose::kWeights);
  for (const auto& layer : layers_) {
    if (layer != nullptr) layer->Initialize(rng);
  }
}

StateDict Network::state_dict() const {
  StateDict state;
  for (const auto& layer : layers_) {
    if (layer == nullptr) continue;
    for (const ParameterSlab* slab : {&layer->parameters(), &layer->buffers()}) {
      for (std::size_t i = 0; i < slab->specs().size(); ++i) {
        state.Add(layer->name() + slab->specs()[i].name, slab->value(static_cast<int>(i)));
      }
    }
  }
  return state;
}

void Network::RefreshWorkingCopies() {
  for (ParameterSlab* slab : Slabs()) slab->RefreshWorkingCopy();
}

void Network::ResetStatistics() {
  const Rng unused(0, RngPurpose::kWeights);
  for (const auto& layer : layers_) {
    if (layer != nullptr) layer->buffers().Initialize(unused, "");
  }
}

std::vector<ParameterSlab*> Network::Slabs() const {
  std::vector<ParameterSlab*> slabs;
  for (const auto& layer : layers_) {
    if (layer != nullptr) slabs.push_back(&layer->parameters());
  }
  return slabs;
}

}  // namespace nasengine
