// A layer of a description made into weights and modules: one slab of parameters, one of running
// statistics, and the module that computes with them.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "autograd/module/module.h"
#include "nas/space/network_desc.h"
#include "nas/supernet/weight_start.h"

namespace nasengine {

class BuiltLayer {
 public:
  // Weights are zero until Initialize, which starts them by `start`. `name` prefixes the
  // parameters' names, e.g. "block3/5x5_MBConv6/". kZero has no weights and cannot be built: throws
  // kInvalidArgument.
  BuiltLayer(Context& context, const LayerDesc& desc, const BatchNormDesc& batch_norm,
             std::string name, WeightStart start = {});
  BuiltLayer(const BuiltLayer&) = delete;
  BuiltLayer& operator=(const BuiltLayer&) = delete;

  // The layer without its residual: what a mixed operation weighs against Zero.
  Variable ForwardBranch(Tape& tape, const Variable& x, const ForwardOptions& options) const;
  // The inner product of dy with that, where nothing else is wanted of it: an MBConv then does not
  // write its last batch norm's result. Nothing is recorded and no running statistics move.
  double BranchInnerProduct(Context& context, const Tensor& x, const Tensor& dy,
                            const ForwardOptions& options) const;
  // The whole layer: the branch, plus x where the layer has a residual.
  Variable Forward(Tape& tape, const Variable& x, const ForwardOptions& options) const;

  void Initialize(const Rng& rng);
  // Takes over the values (not the momentum) of a layer of the same description.
  // Throws kInvalidArgument when the descriptions differ.
  void CopyWeights(const BuiltLayer& from);

  const LayerDesc& desc() const { return desc_; }
  const std::string& name() const { return name_; }
  ParameterSlab& parameters() { return parameters_; }
  const ParameterSlab& parameters() const { return parameters_; }
  ParameterSlab& buffers() { return buffers_; }
  const ParameterSlab& buffers() const { return buffers_; }

 private:
  LayerDesc desc_;
  std::string name_;
  WeightStart start_;
  ParameterSlab parameters_;
  ParameterSlab buffers_;
  std::unique_ptr<Module> module_;
};

}  // namespace nasengine
