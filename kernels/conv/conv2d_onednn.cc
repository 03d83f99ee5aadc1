// SPDX-License-Identifier: MIT
#include "kernels/conv/conv_check.h"
#include "kernels/conv/conv_onednn.h"

namespace nasengine {
namespace {

constexpr ConvWeights kWeights = ConvWeights::kDense;

OnednnPlan& ForwardPlan(Context& context, const Conv2dForward::Args& args) {
  const bool has_bias = !args.bias.empty();
  return context.State<OnednnCache>().Get<Conv2dForward>(
      ConvNumbers(args.geometry, args.x.dtype, has_bias,
                  static_cast<std::int64_t>(args.activation)),
      [&](OnednnPlan& plan) {
        BuildConvForward(plan, args.geometry, kWeights, args.x.dtype, has_bias, args.activation);
      });
}

void Forward(Context& context, const Conv2dForward::Args& args) {
  CheckArguments(args);
  OnednnPlan& plan = ForwardPlan(context, args);
  if (args.bias.empty()) {
    plan.Run(context, {args.x.data, args.w.data, args.y.data});
  } else {
    plan.Run(context, {args.x.data, args.w.data, args.bias.data, args.y.data});
  }
}

OnednnPlan& BackwardDataPlan(Context& context, const Conv2dBackwardData::Args& args) {
  return context.State<OnednnCache>().Get<Conv2dBackwardData>(
      ConvNumbers(args.geometry, args.dy.dtype), [&](OnednnPlan& plan) {
        BuildConvBackwardData(plan, args.geometry, kWeights, args.dy.dtype);
      });
}

void BackwardData(Context& context, const Conv2dBackwardData::Args& args) {
  CheckArguments(args);
  BackwardDataPlan(context, args).Run(context, {args.dy.data, args.w.data, args.dx.data});
}

OnednnPlan& BackwardWeightsPlan(Context& context, const Conv2dBackwardWeights::Args& args) {
  return context.State<OnednnCache>().Get<Conv2dBackwardWeights>(
      ConvNumbers(args.geometry, args.x.dtype, args.accumulate), [&](OnednnPlan& plan) {
        BuildConvBackwardWeights(plan, args.geometry, kWeights, args.x.dtype, args.accumulate);
      });
}

void BackwardWeights(Context& context, const Conv2dBackwardWeights::Args& args) {
  CheckArguments(args);
  BackwardWeightsPlan(context, args).Run(context, {args.x.data, args.dy.data, args.dw.data});
}

}  // namespace

void RegisterConv2dOnednn(KernelRegistry& registry) {
  OnednnKernel<Conv2dForward>{.limits =
                                  [](const Conv2dForward::Args& a) {
                                    return OnednnLimits({a.x, a.w, a.y});
                                  },
                              .plan = ForwardPlan,
                              .run = Forward}
      .Register(registry);
  OnednnKernel<Conv2dBackwardData>{.limits =
                                       [](const Conv2dBackwardData::Args& a) {
                                         return OnednnLimits({a.dy, a.w, a.dx});
                                       },
                                   .plan = BackwardDataPlan,
                                   .run = BackwardData}
      .Register(registry);
  OnednnKernel<Conv2dBackwardWeights>{.limits =
                                          [](const Conv2dBackwardWeights::Args& a) {
                                            return OnednnLimits({a.x, a.dy, a.dw});
                                          },
                                      .plan = BackwardWeightsPlan,
                                      .run = BackwardWeights}
      .Register(registry);
}

}  // namespace nasengine
