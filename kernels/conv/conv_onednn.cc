// SPDX-License-Identifier: MIT
#include "kernels/conv/conv_onednn.h"

#include <algorithm>

namespace nasengine {
namespace {

using Dims = dnnl::memory::dims;

// A convolution in oneDNN's terms, its images and weights of one type.
struct ConvDescs {
  ConvDescs(const ConvGeometry& g, ConvWeights weights, DType type)
      : depthwise(weights == ConvWeights::kDepthwise),
        channels(g.c_in),
        x(OnednnImage(g.n, g.c_in, g.h, g.w, type)),
        y(OnednnImage(g.n, g.c_out, g.out_h(), g.out_w(), type)),
        strides{g.stride, g.stride},
        pads{g.pad, g.pad} {
    const std::int64_t k = g.kernel;
    w_sizes = depthwise ? Dims{g.c_in, 1, 1, k, k} : Dims{g.c_out, g.c_in, k, k};
    w_strides = depthwise ? Dims{1, g.c_in, g.c_in, k * g.c_in, g.c_in}
                          : Dims{k * k * g.c_in, 1, k * g.c_in, g.c_in};
    w_any = OnednnAny(w_sizes, type);
    dw_any = OnednnAny(w_sizes);
    bias = OnednnDense({g.c_out});
  }

  bool depthwise;
  std::int64_t channels;
  dnnl::memory::desc x, y, w_any, dw_any, bias;
  Dims w_sizes, w_strides, strides, pads;
};

constexpr dnnl::algorithm kDirect = dnnl::algorithm::convolution_direct;

dnnl::convolution_forward::primitive_desc DescribeForward(const dnnl::engine& engine,
                                                          const ConvDescs& c, bool has_bias,
                                                          Activation activation) {
  return OnednnDescribe<dnnl::convolution_forward>(
      engine, OnednnAttributes(activation), dnnl::prop_kind::forward_training, kDirect, c.x,
      c.w_any, has_bias ? c.bias : dnnl::memory::desc(), c.y, c.strides, c.pads, c.pads);
}

// How the caller's weights, or f32 gradient of them, are described to a primitive that wants
// `wanted`: as `wanted` itself when that is the same order of the same numbers, which spares the
// reorder - 10 to 40 % of a depthwise convolution at batch 1.
dnnl::memory::desc DescribeWeights(const ConvDescs& c, DType dtype,
                                   const dnnl::memory::desc& wanted) {
  constexpr std::int64_t kBlock = 16;
  const auto plain = OnednnStrided(c.w_sizes, c.w_strides, dtype);
  if (!c.depthwise || c.channels % kBlock != 0) return plain;
  const auto channel_blocks =
      dnnl::memory::desc(c.w_sizes, OnednnType(dtype), dnnl::memory::format_tag::hwioG16g);
  return wanted == channel_blocks ? wanted : plain;
}

}  // namespace

void BuildConvForward(OnednnPlan& plan, const ConvGeometry& geometry, ConvWeights weights,
                      DType dtype, bool has_bias, Activation activation) {
  const ConvDescs c(geometry, weights, dtype);
  const auto descriptor = OnednnDescribeIn(dtype, [&](DType type) {
    return OnednnGuard(
        DescribeForward(plan.engine(), ConvDescs(geometry, weights, type), has_bias, activation),
        c.depthwise);
  });
  const auto x = plan.AddTensor(c.x);
  const auto w = plan.AddTensor(DescribeWeights(c, dtype, descriptor.weights_desc()));
  const auto bias = has_bias ? plan.AddTensor(c.bias) : OnednnPlan::kNoSlot;
  const auto y = plan.AddTensor(c.y);
  const auto result = plan.AddResult(y, descriptor.dst_desc());
  plan.AddStep<dnnl::convolution_forward>(
      descriptor, {{DNNL_ARG_SRC, plan.AddReordered(x, descriptor.src_desc())},
                   {DNNL_ARG_WEIGHTS, plan.AddReordered(w, descriptor.weights_desc())},
                   {DNNL_ARG_BIAS, bias},
                   {DNNL_ARG_DST, result}});
  plan.StoreResult(result, y);
}

void BuildConvBackwardData(OnednnPlan& plan, const ConvGeometry& geometry, ConvWeights weights,
                           DType dtype) {
  const ConvDescs c(geometry, weights, dtype);
  const auto descriptor = OnednnDescribeIn(dtype, [&](DType type) {
    const ConvDescs t(geometry, weights, type);
    return OnednnGuard(
        OnednnDescribeBackward<dnnl::convolution_backward_data>(
            plan.engine(), DescribeForward(plan.engine(), t, false, Activation::kNone), kDirect,
            t.x, t.w_any, t.y, t.strides, t.pads, t.pads),
        c.depthwise);
  });
  const auto dy = plan.AddTensor(c.y);
  const auto w = plan.AddTensor(DescribeWeights(c, dtype, descriptor.weights_desc()));
  const auto dx = plan.AddTensor(c.x);
  const auto result = plan.AddResult(dx, descriptor.diff_src_desc());
  plan.AddStep<dnnl::convolution_backward_data>(
      descriptor, {{DNNL_ARG_DIFF_DST, plan.AddReordered(dy, descriptor.diff_dst_desc())},
                   {DNNL_ARG_WEIGHTS, plan.AddReordered(w, descriptor.weights_desc())},
                   {DNNL_ARG_DIFF_SRC, result}});
  plan.StoreResult(result, dx);
}

void BuildConvBackwardWeights(OnednnPlan& plan, const ConvGeometry& geometry, ConvWeights weights,
                              DType dtype, bool accumulate) {
  const ConvDescs c(geometry, weights, dtype);
  // 2.6.3's jit_bf16 leaves garbage in taps that meet nothing but padding.
  const bool exceeds_image = geometry.kernel > std::min(geometry.h, geometry.w);
  const DType product = exceeds_image ? DType::kF32 : dtype;
  const auto descriptor = OnednnDescribeIn(product, [&](DType type) {
    const ConvDescs t(geometry, weights, type);
    return OnednnGuard(
        OnednnDescribeBackward<dnnl::convolution_backward_weights>(
            plan.engine(), DescribeForward(plan.engine(), t, false, Activation::kNone), kDirect,
            t.x, t.dw_any, t.y, t.strides, t.pads, t.pads),
        c.depthwise);
  });
  const auto x = plan.AddTensor(c.x);
  const auto dy = plan.AddTensor(c.y);
  const auto dw = plan.AddTensor(DescribeWeights(c, DType::kF32, descriptor.diff_weights_desc()));
  const auto result = plan.AddResult(dw, descriptor.diff_weights_desc(), accumulate);
  plan.AddStep<dnnl::convolution_backward_weights>(
      descriptor, {{DNNL_ARG_SRC, plan.AddReordered(x, descriptor.src_desc())},
                   {DNNL_ARG_DIFF_DST, plan.AddReordered(dy, descriptor.diff_dst_desc())},
                   {DNNL_ARG_DIFF_WEIGHTS, result}});
  plan.StoreResult(result, dw, accumulate);
}

OnednnCache::Numbers ConvNumbers(const ConvGeometry& g, DType dtype, std::int64_t a,
                                 std::int64_t b) {
  return {
      g.n, g.h, g.w, g.c_in, g.c_out, g.kernel, g.stride, g.pad, static_cast<std::int64_t>(dtype),
      a,   b};
}

}  // namespace nasengine
