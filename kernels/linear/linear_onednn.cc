// The linear layer by oneDNN.
//
// Forward is a matrix product, but for one row of f32 the inner-product primitive, whose
// matrix-vector path reads the weights in place: 2 times faster at 1280 -> 1000. Backward-weights
// is the inner product with plain weights: as fast as the matrix product, and it sums the bias's
// gradient on the way.
// SPDX-License-Identifier: MIT
#include "kernels/linear/linear_check.h"
#include "kernels/linear/matmul_onednn.h"

namespace nasengine {
namespace {

dnnl::inner_product_forward::primitive_desc DescribeInnerProduct(const dnnl::engine& engine,
                                                                 const MatmulSizes& sizes,
                                                                 DType dtype, bool has_bias) {
  const auto [rows, in, out] = sizes;
  return OnednnDescribe<dnnl::inner_product_forward>(
      engine, OnednnAttributes(), dnnl::prop_kind::forward_training, OnednnDense({rows, in}, dtype),
      OnednnDense({out, in}, dtype), has_bias ? OnednnDense({out}) : dnnl::memory::desc(),
      OnednnDense({rows, out}, dtype));
}

void BuildOneRowForward(OnednnPlan& plan, const MatmulSizes& sizes, bool has_bias) {
  const auto descriptor =
      OnednnGuard(DescribeInnerProduct(plan.engine(), sizes, DType::kF32, has_bias));
  const auto x = plan.AddTensor(OnednnDense({sizes.rows, sizes.in}));
  const auto w = plan.AddTensor(OnednnDense({sizes.out, sizes.in}));
  const auto bias = has_bias ? plan.AddTensor(OnednnDense({sizes.out})) : OnednnPlan::kNoSlot;
  const auto y = plan.AddTensor(OnednnDense({sizes.rows, sizes.out}));
  plan.AddStep<dnnl::inner_product_forward>(
      descriptor,
      {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, y}});
}

// Tensors to bind: x, dy (of `dtype`), dw, dbias (if `has_bias`).
void BuildBackwardWeights(OnednnPlan& plan, const MatmulSizes& sizes, DType dtype, bool has_bias,
                          bool accumulate) {
  const auto x_desc = [&](DType type) { return OnednnDense({sizes.rows, sizes.in}, type); };
  const auto dy_desc = [&](DType type) { return OnednnDense({sizes.rows, sizes.out}, type); };
  const auto dw_desc = OnednnDense({sizes.out, sizes.in});
  const auto dbias_desc = OnednnDense({sizes.out});
  const auto descriptor = OnednnDescribeIn(dtype, [&](DType type) {
    return OnednnGuard(OnednnDescribeBackward<dnnl::inner_product_backward_weights>(
        plan.engine(), DescribeInnerProduct(plan.engine(), sizes, type, has_bias), x_desc(type),
        dw_desc, has_bias ? dbias_desc : dnnl::memory::desc(), dy_desc(type)));
  });
  const auto x = plan.AddTensor(x_desc(dtype));
  const auto dy = plan.AddTensor(dy_desc(dtype));
  const auto dw = plan.AddTensor(dw_desc);
  const auto dbias = has_bias ? plan.AddTensor(dbias_desc) : OnednnPlan::kNoSlot;
  const auto dw_result = plan.AddResult(dw, dw_desc, accumulate);
  const auto dbias_result = has_bias ? plan.AddResult(dbias, dbias_desc, accumulate) : dbias;
  plan.AddStep<dnnl::inner_product_backward_weights>(
      descriptor, {{DNNL_ARG_SRC, plan.AddReordered(x, descriptor.src_desc())},
                   {DNNL_ARG_DIFF_DST, plan.AddReordered(dy, descriptor.diff_dst_desc())},
                   {DNNL_ARG_DIFF_WEIGHTS, dw_result},
                   {DNNL_ARG_DIFF_BIAS, dbias_result}});
  plan.StoreResult(dw_result, dw, accumulate);
  plan.StoreResult(dbias_result, dbias, accumulate);
}

OnednnPlan& ForwardPlan(Context& context, const LinearForward::Args& args) {
  const MatmulSizes sizes{.rows = args.x.shape[0], .in = args.x.shape[1], .out = args.w.shape[0]};
  const bool has_bias = !args.bias.empty();
  return context.State<OnednnCache>().Get<LinearForward>(
      {sizes.rows, sizes.in, sizes.out, static_cast<std::int64_t>(args.x.dtype), has_bias},
      [&](OnednnPlan& plan) {
        if (sizes.rows == 1 && args.x.dtype == DType::kF32) {
          BuildOneRowForward(plan, sizes, has_bias);
        } else {
          BuildMatmulForward(plan, sizes, {.x = args.x.dtype, .y = args.y.dtype}, has_bias,
                             Activation::kNone);
        }
      });
}

void Forward(Context& context, const LinearForward::Args& args) {
  CheckArguments(args);
  OnednnPlan& plan = ForwardPlan(context, args);
  if (args.bias.empty()) {
    plan.Run(context, {args.x.data, args.w.data, args.y.data});
  } else {
    plan.Run(context, {args.x.data, args.w.data, args.bias.data, args.y.data});
  }
}

OnednnPlan& BackwardDataPlan(Context& context, const LinearBackwardData::Args& args) {
  const MatmulSizes sizes{.rows = args.dy.shape[0], .in = args.w.shape[1], .out = args.w.shape[0]};
  return context.State<OnednnCache>().Get<LinearBackwardData>(
      {sizes.rows, sizes.in, sizes.out, static_cast<std::int64_t>(args.dy.dtype)},
      [&](OnednnPlan& plan) { BuildMatmulBackwardData(plan, sizes, args.dy.dtype); });
}

void BackwardData(Context& context, const LinearBackwardData::Args& args) {
  CheckArguments(args);
  BackwardDataPlan(context, args).Run(context, {args.dy.data, args.w.data, args.dx.data});
}

OnednnPlan& BackwardWeightsPlan(Context& context, const LinearBackwardWeights::Args& args) {
  const MatmulSizes sizes{.rows = args.x.shape[0], .in = args.x.shape[1], .out = args.dy.shape[1]};
  const bool has_bias = !args.dbias.empty();
  return context.State<OnednnCache>().Get<LinearBackwardWeights>(
      {sizes.rows, sizes.in, sizes.out, static_cast<std::int64_t>(args.x.dtype), has_bias,
       args.accumulate},
      [&](OnednnPlan& plan) {
        BuildBackwardWeights(plan, sizes, args.x.dtype, has_bias, args.accumulate);
      });
}

void BackwardWeights(Context& context, const LinearBackwardWeights::Args& args) {
  CheckArguments(args);
  OnednnPlan& plan = BackwardWeightsPlan(context, args);
  if (args.dbias.empty()) {
    plan.Run(context, {args.x.data, args.dy.data, args.dw.data});
  } else {
    plan.Run(context, {args.x.data, args.dy.data, args.dw.data, args.dbias.data});
  }
}

}  // namespace

void RegisterLinearOnednn(KernelRegistry& registry) {
  OnednnKernel<LinearForward>{.limits =
                                  [](const LinearForward::Args& a) {
                                    return OnednnLimits({a.x, a.w, a.y});
                                  },
                              .plan = ForwardPlan,
                              .run = Forward}
      .Register(registry);
  OnednnKernel<LinearBackwardData>{.limits =
                                       [](const LinearBackwardData::Args& a) {
                                         return OnednnLimits({a.dy, a.w, a.dx});
                                       },
                                   .plan = BackwardDataPlan,
                                   .run = BackwardData}
      .Register(registry);
  OnednnKernel<LinearBackwardWeights>{.limits =
                                          [](const LinearBackwardWeights::Args& a) {
                                            return OnednnLimits({a.x, a.dy, a.dw});
                                          },
                                      .plan = BackwardWeightsPlan,
                                      .run = BackwardWeights}
      .Register(registry);
}

}  // namespace nasengine
