// SPDX-License-Identifier: MIT
#include "nas/supernet/built_layer.h"

#include <utility>

#include "autograd/module/classifier.h"
#include "autograd/module/conv_bn_act.h"
#include "nas/supernet/mbconv_branch.h"

namespace nasengine {
namespace {

std::unique_ptr<Module> MakeModule(const LayerDesc& desc, const BatchNormDesc& batch_norm,
                                   const WeightStart& start, ModuleSlabs slabs) {
  switch (desc.op) {
    case LayerOp::kConv:
      return std::make_unique<ConvBnAct>(
          ConvBnActOptions{.kind = desc.kernel == 1 && desc.stride == 1 ? ConvKind::kPointwise
                                                                        : ConvKind::kDense,
                           .kernel = desc.kernel,
                           .stride = desc.stride,
                           .c_in = desc.in.c,
                           .c_out = desc.out.c,
                           .activation = desc.activation,
                           .bn_epsilon = static_cast<float>(batch_norm.epsilon),
                           .bn_momentum = static_cast<float>(batch_norm.momentum)},
          "", slabs);
    case LayerOp::kMbconv:
      return MakeMbconvBranch(desc, batch_norm, start, slabs);
    case LayerOp::kClassifier:
      return std::make_unique<Classifier>(desc.in.c, desc.out.c, static_cast<float>(desc.dropout),
                                          "", slabs);
    case LayerOp::kZero:
      break;
  }
  Throw(ErrorCode::kInvalidArgument, "layer '", desc.name, "': a skipped block has no weights");
}

}  // namespace

BuiltLayer::BuiltLayer(Context& context, const LayerDesc& desc, const BatchNormDesc& batch_norm,
                       std::string name, WeightStart start)
    : desc_(desc), name_(std::move(name)), start_(std::move(start)) {
  module_ = MakeModule(desc_, batch_norm, start_, {.parameters = parameters_, .buffers = buffers_});
  parameters_.Allocate(context);
  buffers_.Allocate(context);
}

Variable BuiltLayer::ForwardBranch(Tape& tape, const Variable& x,
                                   const ForwardOptions& options) const {
  return module_->Forward(tape, x, options);
}

double BuiltLayer::BranchInnerProduct(Context& context, const Tensor& x, const Tensor& dy,
                                      const ForwardOptions& options) const {
  return module_->ForwardInnerProduct(context, x, dy, options);
}

Variable BuiltLayer::Forward(Tape& tape, const Variable& x, const ForwardOptions& options) const {
  const Variable branch = ForwardBranch(tape, x, options);
  return HasResidual(desc_) ? Sum(tape, branch, x) : branch;
}

void BuiltLayer::Initialize(const Rng& rng) {
  if (start_.aligned_as.empty()) {
    parameters_.Initialize(rng, name_);
  } else {
    parameters_.Initialize(rng, start_.aligned_as, NumbersBy::kPlace);
  }
  buffers_.Initialize(rng, name_);
}

void BuiltLayer::CopyWeights(const BuiltLayer& from) {
  const LayerDesc& other = from.desc_;
  NAS_CHECK(desc_.op == other.op && desc_.in == other.in && desc_.out == other.out &&
                desc_.kernel == other.kernel && desc_.expand == other.expand,
            "layer '", desc_.name, "': weights of '", other.name, "' do not fit");
  parameters_.CopyValues(from.parameters_);
  buffers_.CopyValues(from.buffers_);
}

}  // namespace nasengine
