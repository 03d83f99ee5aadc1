// The over-parameterised network: fixed layers, a mixed operation for every searchable block, and
// the gates that choose in them, one a block unless blocks are tied. A step evaluates and keeps one
// path.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nas/space/alphas_file.h"
#include "nas/space/search_space.h"
#include "nas/supernet/binary_gate.h"
#include "nas/supernet/compute_options.h"
#include "nas/supernet/mixed_op.h"
#include "nas/supernet/network.h"

namespace nasengine {

// The active candidate of every searchable block, in order.
using Path = std::vector<int>;

class Supernet {
 public:
  // Weights are zero until Initialize. Steps compute by `compute`.
  Supernet(Context& context, const SearchSpace& space, ComputeOptions compute = {});

  // Weights and alphas as the recipe wants them.
  void Initialize(std::uint32_t seed);

  // images (n, h, w, c) -> logits (n, classes) in f32 through `path`. The images' type is that of
  // the activations, dtype() or f32. `gates` is empty, or one a block to
  // be filled by the backward pass.
  Variable Forward(Tape& tape, const Tensor& images, std::span<const int> path,
                   std::span<GateGradients> gates, const ForwardOptions& options) const;
  // The same through all candidates, weighted by the path probabilities; the gate gradients are
  // those of the weights.
  Variable ForwardAll(Tape& tape, const Tensor& images, std::span<GateGradients> gates,
                      const ForwardOptions& options) const;

  const SearchSpace& space() const { return space_; }
  const ComputeOptions& compute() const { return compute_; }
  DType dtype() const { return compute_.dtype; }
  int blocks() const { return static_cast<int>(gate_of_.size()); }
  // In the order of space().Gates().
  std::vector<BinaryGate>& gates() { return gates_; }
  const std::vector<BinaryGate>& gates() const { return gates_; }
  // The gate that chooses in every block.
  std::span<const int> gate_of() const { return gate_of_; }

  // The slabs whose parameters `path` uses, in order; of all candidates without a path.
  std::vector<ParameterSlab*> Slabs(std::span<const int> path) const;
  std::vector<ParameterSlab*> Slabs() const;

  // The likeliest candidate of every gate, and one drawn at every gate.
  Path BestPath() const;
  Path SamplePath(const Rng& rng, std::uint64_t step) const;
  // The alphas of every searchable block, in order.
  AlphaRows AlphasByBlock() const;
  // Mean of the gates' entropies, in nats.
  double MeanEntropy() const { return nasengine::MeanEntropy(gates_); }

  // The network of `path` with this supernet's weights, computing as it does.
  std::unique_ptr<Network> Derive(Context& context, std::span<const int> path) const;

 private:
  struct Node {
    std::unique_ptr<BuiltLayer> fixed;
    std::unique_ptr<MixedOp> mixed;  // one of the two
    int block = -1;                  // of a mixed operation
  };

  // Calls visit(node, x, options) of every node, with the options that are its own.
  template <class Visit>
  Variable Walk(const Tensor& images, const ForwardOptions& options, const Visit& visit) const;
  GateGradients* GatesOf(std::span<GateGradients> gates, const Node& node) const;

  SearchSpace space_;
  ComputeOptions compute_;
  std::vector<Node> nodes_;
  std::vector<BinaryGate> gates_;
  std::vector<int> gate_of_;
};

}  // namespace nasengine
