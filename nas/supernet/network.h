// A concrete network with weights: what a search derives and what training and evaluation run.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "autograd/state_dict.h"
#include "nas/supernet/built_layer.h"
#include "nas/supernet/compute_options.h"

namespace nasengine {

class Network {
 public:
  // Weights are zero until Initialize, which starts them by `init`, LoadStateDict or CopyWeights.
  // Training computes by `compute`.
  Network(Context& context, const NetworkDesc& desc, WeightInit init = WeightInit::kFanOut,
          ComputeOptions compute = {});

  // images (n, h, w, c) -> logits (n, classes) in f32. The images' type is that of the activations,
  // dtype() or f32.
  Variable Forward(Tape& tape, const Tensor& images, const ForwardOptions& options) const;

  void Initialize(std::uint32_t seed);
  // Weights and running statistics by name, in f32; both share storage with the network.
  StateDict state_dict() const;
  // After weights were written through state_dict().
  void RefreshWorkingCopies();
  // Running statistics as of a fresh network: mean 0, variance 1.
  void ResetStatistics();

  const NetworkDesc& desc() const { return desc_; }
  const ComputeOptions& compute() const { return compute_; }
  DType dtype() const { return compute_.dtype; }
  // The layers with weights, in order.
  const std::vector<std::unique_ptr<BuiltLayer>>& layers() const { return layers_; }
  // Every parameter slab, in order.
  std::vector<ParameterSlab*> Slabs() const;

 private:
  NetworkDesc desc_;
  ComputeOptions compute_;
  std::vector<std::unique_ptr<BuiltLayer>> layers_;  // null for kZero
};

}  // namespace nasengine
