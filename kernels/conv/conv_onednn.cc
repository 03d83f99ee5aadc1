// SPDX-License-Identifier: MIT
#include "kernels/conv/conv_onednn.h"

namespace nasengine {
namespace {

using Dims = dnnl::memory::dims;

// A convolution in oneDNN's terms.
struct ConvDescs {
  ConvDescs(const ConvGeometry& g, ConvWeights weights)
      : depthwise(weights == ConvWeights::kDepthwise),
        channels(g.c_in),
        x(OnednnImage(g.n, g.c_in, g.h, g.w)),
        y(OnednnImage(g.n, g.c_out, g.out_h(), g.out_w())),
        strides{g.stride, g.stride},
        pads{g.pad, g.pad} {
    const std::int64_t k = g.kernel;
    w_sizes = depthwise ? Dims{g.c_in, 1, 1, k, k} : Dims{g.c_out, g.c_in, k, k};
    w = depthwise ? OnednnStrided(w_sizes, {1, g.c_in, g.c_in, k * g.c_in, g.c_in})
                  : OnednnStrided(w_sizes, {k * k * g.c_in, 1, k * g.c_in, g.c_in});
    w_any = OnednnAny(w_sizes);
    bias = OnednnDense({g.c_out});
  }

  bool depthwise;
  std::int64_t channels;
  dnnl::memory::desc x, y, w, w_any, bias;
  Dims w_sizes, strides, pads;
};

constexpr dnnl::algorithm kDirect = dnnl::algorithm::convolution_direct;

dnnl::convolution_forward::primitive_desc DescribeForward(const dnnl::engine& engine,
                                                          const ConvDescs& c, bool has_bias,
                                                          Activation activation) {
  return OnednnDescribe<dnnl::convolution_forward>(
      engine, OnednnAttributes(activation), dnnl::prop_kind::forward_training, kDirect, c.x,
      c.w_any, has_bias ? c.bias : dnnl::memory::desc(), c.y, c.strides, c.pads, c.pads);
}

// How the caller's weights are described to a primitive that wants `wanted`: as `wanted` itself
// when that is the same order of the same numbers, which spares the reorder - 10 to 40 % of a
// depthwise convolution at batch 1.
dnnl::memory::desc DescribeWeights(const ConvDescs& c, const dnnl::memory::desc& wanted) {
  constexpr std::int64_t kBlock = 16;
  if (!c.depthwise || c.channels % kBlock != 0) return c.w;
  const dnnl::memory::desc channel_blocks(c.w_sizes, dnnl::memory::data_type::f32,
                                          dnnl::memory::format_tag::hwioG16g);
  return wanted == channel_blocks ? wanted : c.w;
}

}  // namespace

void BuildConvForward(OnednnPlan& plan, const ConvGeometry& geometry, ConvWeights weights,
                      bool has_bias, Activation activation) {
  const ConvDescs c(geometry, weights);
  const auto descriptor =
      OnednnGuard(DescribeForward(plan.engine(), c, has_bias, activation), c.depthwise);
  const auto x = plan.AddTensor(c.x);
  const auto w = plan.AddTensor(DescribeWeights(c, descriptor.weights_desc()));
  const auto bias = has_bias ? plan.AddTensor(c.bias) : OnednnPlan::kNoSlot;
  const auto y = plan.AddTensor(c.y);
  const auto reordered = plan.AddReordered(w, descriptor.weights_desc());
  plan.AddStep<dnnl::convolution_forward>(
      descriptor,
      {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, reordered}, {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, y}});
}

void BuildConvBackwardData(OnednnPlan& plan, const ConvGeometry& geometry, ConvWeights weights) {
  const ConvDescs c(geometry, weights);
  const auto descriptor =
      OnednnGuard(OnednnDescribeBackward<dnnl::convolution_backward_data>(
                      plan.engine(), DescribeForward(plan.engine(), c, false, Activation::kNone),
                      kDirect, c.x, c.w_any, c.y, c.strides, c.pads, c.pads),
                  c.depthwise);
  const auto dy = plan.AddTensor(c.y);
  const auto w = plan.AddTensor(DescribeWeights(c, descriptor.weights_desc()));
  const auto dx = plan.AddTensor(c.x);
  const auto reordered = plan.AddReordered(w, descriptor.weights_desc());
  plan.AddStep<dnnl::convolution_backward_data>(
      descriptor,
      {{DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_WEIGHTS, reordered}, {DNNL_ARG_DIFF_SRC, dx}});
}

void BuildConvBackwardWeights(OnednnPlan& plan, const ConvGeometry& geometry, ConvWeights weights,
                              bool accumulate) {
  const ConvDescs c(geometry, weights);
  const auto descriptor =
      OnednnGuard(OnednnDescribeBackward<dnnl::convolution_backward_weights>(
                      plan.engine(), DescribeForward(plan.engine(), c, false, Activation::kNone),
                      kDirect, c.x, c.w_any, c.y, c.strides, c.pads, c.pads),
                  c.depthwise);
  const auto x = plan.AddTensor(c.x);
  const auto dy = plan.AddTensor(c.y);
  const auto dw = plan.AddTensor(DescribeWeights(c, descriptor.diff_weights_desc()));
  const auto result = plan.AddResult(dw, descriptor.diff_weights_desc(), accumulate);
  plan.AddStep<dnnl::convolution_backward_weights>(
      descriptor, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_DIFF_WEIGHTS, result}});
  if (result != dw) plan.AddReorder(result, dw, accumulate);
}

OnednnCache::Numbers ConvNumbers(const ConvGeometry& g, std::int64_t a, std::int64_t b) {
  return {g.n, g.h, g.w, g.c_in, g.c_out, g.kernel, g.stride, g.pad, a, b};
}

}  // namespace nasengine
