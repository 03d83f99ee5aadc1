// SPDX-License-Identifier: MIT
#include "kernels/conv/conv_onednn.h"
#include "kernels/conv/depthwise_conv_check.h"

namespace nasengine {
namespace {

constexpr ConvWeights kWeights = ConvWeights::kDepthwise;

OnednnPlan& ForwardPlan(Context& context, const DepthwiseConvForward::Args& args) {
  const bool has_bias = !args.bias.empty();
  return context.State<OnednnCache>().Get<DepthwiseConvForward>(
      ConvNumbers(args.geometry, args.x.dtype, has_bias,
                  static_cast<std::int64_t>(args.activation)),
      [&](OnednnPlan& plan) {
        BuildConvForward(plan, args.geometry, kWeights, args.x.dtype, has_bias, args.activation);
      });
}

void Forward(Context& context, const DepthwiseConvForward::Args& args) {
  CheckArguments(args);
  OnednnPlan& plan = ForwardPlan(context, args);
  if (args.bias.empty()) {
    plan.Run(context, {args.x.data, args.w.data, args.y.data});
  } else {
    plan.Run(context, {args.x.data, args.w.data, args.bias.data, args.y.data});
  }
}

OnednnPlan& BackwardDataPlan(Context& context, const DepthwiseConvBackwardData::Args& args) {
  return context.State<OnednnCache>().Get<DepthwiseConvBackwardData>(
      ConvNumbers(args.geometry, args.dy.dtype), [&](OnednnPlan& plan) {
        BuildConvBackwardData(plan, args.geometry, kWeights, args.dy.dtype);
      });
}

void BackwardData(Context& context, const DepthwiseConvBackwardData::Args& args) {
  CheckArguments(args);
  BackwardDataPlan(context, args).Run(context, {args.dy.data, args.w.data, args.dx.data});
}

OnednnPlan& BackwardWeightsPlan(Context& context, const DepthwiseConvBackwardWeights::Args& args) {
  return context.State<OnednnCache>().Get<DepthwiseConvBackwardWeights>(
      ConvNumbers(args.geometry, args.x.dtype, args.accumulate), [&](OnednnPlan& plan) {
        BuildConvBackwardWeights(plan, args.geometry, kWeights, args.x.dtype, args.accumulate);
      });
}

// oneDNN's fast kernel stops at 3x3; what it has for more is 19 to 280 times slower than the memory
// and the arithmetic allow.
std::string BackwardWeightsLimits(const DepthwiseConvBackwardWeights::Args& args) {
  const std::int64_t k = args.geometry.kernel;
  if (k != 3) return StrCat("kernel ", k, ": oneDNN has fast backward-weights for 3 only");
  return OnednnLimits({args.x, args.dy, args.dw});
}

void BackwardWeights(Context& context, const DepthwiseConvBackwardWeights::Args& args) {
  CheckArguments(args);
  BackwardWeightsPlan(context, args).Run(context, {args.x.data, args.dy.data, args.dw.data});
}

}  // namespace

void RegisterDepthwiseConvOnednn(KernelRegistry& registry) {
  OnednnKernel<DepthwiseConvForward>{.limits =
                                         [](const DepthwiseConvForward::Args& a) {
                                           return OnednnLimits({a.x, a.w, a.y});
                                         },
                                     .plan = ForwardPlan,
                                     .run = Forward}
      .Register(registry);
  OnednnKernel<DepthwiseConvBackwardData>{.limits =
                                              [](const DepthwiseConvBackwardData::Args& a) {
                                                return OnednnLimits({a.dy, a.w, a.dx});
                                              },
                                          .plan = BackwardDataPlan,
                                          .run = BackwardData}
      .Register(registry);
  OnednnKernel<DepthwiseConvBackwardWeights>{
      .limits = BackwardWeightsLimits, .plan = BackwardWeightsPlan, .run = BackwardWeights}
      .Register(registry);
}

}  // namespace nasengine
