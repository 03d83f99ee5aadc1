// Pointwise convolution by oneDNN: forward and backward-data as matrix products, backward-weights
// as a convolution.
//
// Why: the matrix product takes our weights as they are, the convolution wants them blocked, a
// reorder in every call. Over channels 16 to 1280 at 7x7 to 56x56, f32, AVX-512, it takes 0.8
// to 1.1 times the convolution's time in batches; at batch 1 0.7 to 1.1 times, with exceptions
// to 1.5. The weights' gradient is a long sum into a small result, which the matrix product cannot
// split among threads: it takes 1.5 to 2 times as long as the convolution at 56x56 to 14x14 with
// few channels, and 0.9 times at best in batches.
// SPDX-License-Identifier: MIT
#include "kernels/conv/conv_check.h"
#include "kernels/conv/conv_onednn.h"
#include "kernels/linear/matmul_onednn.h"

namespace nasengine {
namespace {

MatmulSizes SizesOf(const ConvGeometry& g) {
  return {.rows = g.n * g.h * g.w, .in = g.c_in, .out = g.c_out};
}

OnednnPlan& ForwardPlan(Context& context, const PointwiseConvForward::Args& args) {
  const MatmulSizes sizes = SizesOf(args.geometry);
  const bool has_bias = !args.bias.empty();
  return context.State<OnednnCache>().Get<PointwiseConvForward>(
      {sizes.rows, sizes.in, sizes.out, static_cast<std::int64_t>(args.x.dtype), has_bias,
       static_cast<std::int64_t>(args.activation)},
      [&](OnednnPlan& plan) {
        BuildMatmulForward(plan, sizes, {.x = args.x.dtype, .y = args.y.dtype}, has_bias,
                           args.activation);
      });
}

void Forward(Context& context, const PointwiseConvForward::Args& args) {
  CheckArguments(args);
  OnednnPlan& plan = ForwardPlan(context, args);
  if (args.bias.empty()) {
    plan.Run(context, {args.x.data, args.w.data, args.y.data});
  } else {
    plan.Run(context, {args.x.data, args.w.data, args.bias.data, args.y.data});
  }
}

OnednnPlan& BackwardDataPlan(Context& context, const PointwiseConvBackwardData::Args& args) {
  const MatmulSizes sizes = SizesOf(args.geometry);
  return context.State<OnednnCache>().Get<PointwiseConvBackwardData>(
      {sizes.rows, sizes.in, sizes.out, static_cast<std::int64_t>(args.dy.dtype)},
      [&](OnednnPlan& plan) { BuildMatmulBackwardData(plan, sizes, args.dy.dtype); });
}

void BackwardData(Context& context, const PointwiseConvBackwardData::Args& args) {
  CheckArguments(args);
  BackwardDataPlan(context, args).Run(context, {args.dy.data, args.w.data, args.dx.data});
}

OnednnPlan& BackwardWeightsPlan(Context& context, const PointwiseConvBackwardWeights::Args& args) {
  return context.State<OnednnCache>().Get<PointwiseConvBackwardWeights>(
      ConvNumbers(args.geometry, args.x.dtype, args.accumulate), [&](OnednnPlan& plan) {
        BuildConvBackwardWeights(plan, args.geometry, ConvWeights::kDense, args.x.dtype,
                                 args.accumulate);
      });
}

void BackwardWeights(Context& context, const PointwiseConvBackwardWeights::Args& args) {
  CheckArguments(args);
  BackwardWeightsPlan(context, args).Run(context, {args.x.data, args.dy.data, args.dw.data});
}

}  // namespace

void RegisterPointwiseConvOnednn(KernelRegistry& registry) {
  OnednnKernel<PointwiseConvForward>{.limits =
                                         [](const PointwiseConvForward::Args& a) {
                                           return OnednnLimits({a.x, a.w, a.y});
                                         },
                                     .plan = ForwardPlan,
                                     .run = Forward}
      .Register(registry);
  OnednnKernel<PointwiseConvBackwardData>{.limits =
                                              [](const PointwiseConvBackwardData::Args& a) {
                                                return OnednnLimits({a.dy, a.w, a.dx});
                                              },
                                          .plan = BackwardDataPlan,
                                          .run = BackwardData}
      .Register(registry);
  OnednnKernel<PointwiseConvBackwardWeights>{.limits =
                                                 [](const PointwiseConvBackwardWeights::Args& a) {
                                                   return OnednnLimits({a.x, a.dy, a.dw});
                                                 },
                                             .plan = BackwardWeightsPlan,
                                             .run = BackwardWeights}
      .Register(registry);
}

}  // namespace nasengine
