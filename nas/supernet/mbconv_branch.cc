// SPDX-License-Identifier: MIT
#include "nas/supernet/mbconv_branch.h"

#include <utility>
#include <vector>

#include "autograd/module/conv_bn_act.h"

namespace nasengine {
namespace {

class MbconvBranch final : public Module {
 public:
  MbconvBranch(const LayerDesc& desc, const BatchNormDesc& batch_norm, const WeightStart& start,
               ModuleSlabs slabs)
      : options_{.kernel = desc.kernel,
                 .stride = desc.stride,
                 .norm = {.activation = desc.activation,
                          .epsilon = static_cast<float>(batch_norm.epsilon),
                          .momentum = static_cast<float>(batch_norm.momentum)}} {
    const std::int64_t middle = ExpandedChannels(desc);
    const auto stage = [&](ConvKind kind, std::int64_t c_in, std::int64_t c_out,
                           Activation activation) {
      const bool depthwise = kind == ConvKind::kDepthwise;
      return ConvBnActOptions{.kind = kind,
                              .kernel = depthwise ? desc.kernel : 1,
                              .stride = depthwise ? desc.stride : 1,
                              .c_in = c_in,
                              .c_out = c_out,
                              .activation = activation,
                              .bn_epsilon = static_cast<float>(batch_norm.epsilon),
                              .bn_momentum = static_cast<float>(batch_norm.momentum),
                              .fan_out_per_group = start.init == WeightInit::kFanOutPerGroup};
    };
    if (desc.expand > 1) {
      expand_ = std::make_unique<ConvBnAct>(
          stage(ConvKind::kPointwise, desc.in.c, middle, desc.activation), "expand.", slabs);
    }
    depthwise_ = std::make_unique<ConvBnAct>(
        stage(ConvKind::kDepthwise, middle, middle, desc.activation), "depthwise.", slabs);
    ConvBnActOptions project = stage(ConvKind::kPointwise, middle, desc.out.c, Activation::kNone);
    project.zero_scale = HasResidual(desc) && !start.aligned_as.empty();
    project_ = std::make_unique<ConvBnAct>(project, "project.", slabs);
  }

  Variable Forward(Tape& tape, const Variable& x, const ForwardOptions& options) const override {
    if (options.norm == NormMode::kRunning) return OneByOne(tape, x, options);
    const ConvNorm expand = Expansion();
    return Mbconv(tape, x, expand_ == nullptr ? nullptr : &expand, depthwise_->conv_norm(),
                  project_->conv_norm(), Fused(options));
  }

  double ForwardInnerProduct(Context& context, const Tensor& x, const Tensor& dy,
                             const ForwardOptions& options) const override {
    if (options.norm == NormMode::kRunning) {
      return Module::ForwardInnerProduct(context, x, dy, options);
    }
    const ConvNorm expand = Expansion();
    return MbconvInnerProduct(context, x, dy, expand_ == nullptr ? nullptr : &expand,
                              depthwise_->conv_norm(), project_->conv_norm(), Fused(options));
  }

 private:
  MbconvOptions Fused(const ForwardOptions& options) const {
    MbconvOptions block = options_;
    block.norm.mode = options.norm;
    block.norm.momentum = options.norm_momentum.value_or(options_.norm.momentum);
    // Without an expansion its tensors are among the largest of a network, where the map is widest,
    // and its arithmetic is next to nothing: on 224x224 images a twentieth of what a path keeps for
    // a hundredth of its multiply-adds.
    block.recompute = expand_ == nullptr ? Recompute::kAll : options.recompute;
    return block;
  }
  ConvNorm Expansion() const { return expand_ == nullptr ? ConvNorm() : expand_->conv_norm(); }

  // With given statistics there are none to gather, and nothing that fusing them would save.
  Variable OneByOne(Tape& tape, const Variable& x, const ForwardOptions& options) const {
    Variable y = expand_ == nullptr ? x : expand_->Forward(tape, x, options);
    y = depthwise_->Forward(tape, y, options);
    return project_->Forward(tape, y, options);
  }

  MbconvOptions options_;
  std::unique_ptr<ConvBnAct> expand_;  // null when the expansion is 1
  std::unique_ptr<ConvBnAct> depthwise_;
  std::unique_ptr<ConvBnAct> project_;
};

}  // namespace

std::unique_ptr<Module> MakeMbconvBranch(const LayerDesc& desc, const BatchNormDesc& batch_norm,
                                         const WeightStart& start, ModuleSlabs slabs) {
  return std::make_unique<MbconvBranch>(desc, batch_norm, start, slabs);
}

}  // namespace nasengine
