// SPDX-License-Identifier: MIT
#include "autograd/module/conv_bn_act.h"

namespace nasengine {
namespace {

void Check(const ConvBnActOptions& options, const std::string& prefix) {
  NAS_CHECK(options.c_in >= 1 && options.c_out >= 1, "conv_bn_act ", prefix, ": ", options.c_in,
            " to ", options.c_out, " channels, expected 1 or more");
  NAS_CHECK(options.kernel >= 1 && options.kernel % 2 == 1 && options.stride >= 1, "conv_bn_act ",
            prefix, ": kernel ", options.kernel, " and stride ", options.stride,
            ", expected an odd kernel and a stride of 1 or more");
  NAS_CHECK(options.kind != ConvKind::kPointwise || (options.kernel == 1 && options.stride == 1),
            "conv_bn_act ", prefix, ": pointwise with kernel ", options.kernel, " and stride ",
            options.stride, ", expected 1 and 1");
  NAS_CHECK(options.kind != ConvKind::kDepthwise || options.c_in == options.c_out, "conv_bn_act ",
            prefix, ": depthwise from ", options.c_in, " to ", options.c_out,
            " channels, expected as many");
}

Shape WeightShape(const ConvBnActOptions& options) {
  const std::int64_t k = options.kernel;
  switch (options.kind) {
    case ConvKind::kPointwise:
      return {options.c_out, options.c_in};
    case ConvKind::kDepthwise:
      return {k, k, options.c_out};
    case ConvKind::kDense:
      break;
  }
  return {options.c_out, k, k, options.c_in};
}

}  // namespace

ConvBnAct::ConvBnAct(const ConvBnActOptions& options, const std::string& prefix, ModuleSlabs slabs)
    : options_(options) {
  Check(options, prefix);
  const auto add = [&prefix](ParameterSlab& slab, ParameterSpec spec) {
    spec.name = prefix + spec.name;
    return Parameter{&slab, slab.Add(std::move(spec))};
  };
  const std::int64_t c = options.c_out;
  const bool one_group = options.kind == ConvKind::kDepthwise && options.fan_out_per_group;
  weight_ = add(slabs.parameters, {.name = "weight",
                                   .shape = WeightShape(options),
                                   .initializer = Initializer::kNormalFanOut,
                                   .fan = options.kernel * options.kernel * (one_group ? 1 : c)});
  gamma_ = add(slabs.parameters,
               {.name = "gamma",
                .shape = {c},
                .initializer = options.zero_scale ? Initializer::kZeros : Initializer::kOnes,
                .decay = false});
  beta_ = add(slabs.parameters,
              {.name = "beta", .shape = {c}, .initializer = Initializer::kZeros, .decay = false});
  running_mean_ = add(slabs.buffers, {.name = "running_mean", .shape = {c}});
  running_var_ =
      add(slabs.buffers, {.name = "running_var", .shape = {c}, .initializer = Initializer::kOnes});
}

Variable ConvBnAct::Forward(Tape& tape, const Variable& x, const ForwardOptions& options) const {
  const Window window{options_.kernel, options_.stride, options_.kernel / 2};
  Variable y;
  switch (options_.kind) {
    case ConvKind::kDense:
      y = Conv2d(tape, x, weight_, window);
      break;
    case ConvKind::kPointwise:
      y = PointwiseConv(tape, x, weight_);
      break;
    case ConvKind::kDepthwise:
      y = DepthwiseConv(tape, x, weight_, window);
      break;
  }
  return BatchNorm(tape, y, gamma_, beta_, running_mean_.value(), running_var_.value(),
                   {.mode = options.norm,
                    .activation = options_.activation,
                    .epsilon = options_.bn_epsilon,
                    .momentum = options.norm_momentum.value_or(options_.bn_momentum)});
}

ConvNorm ConvBnAct::conv_norm() const {
  return {weight_, gamma_, beta_, running_mean_.value(), running_var_.value()};
}

}  // namespace nasengine
