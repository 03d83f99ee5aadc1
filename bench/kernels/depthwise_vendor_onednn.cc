// SPDX-License-Identifier: MIT
#include "bench/kernels/kernel_case.h"
#include "kernels/conv/conv_onednn.h"
#include "kernels/conv/depthwise_conv.h"

namespace nasengine {
namespace {

// Keeps these plans apart from the program's own.
struct Unguarded {};

OnednnPlan& Plan(Context& context, const DepthwiseConvBackwardWeights::Args& args) {
  return context.State<OnednnCache>().Get<Unguarded>(
      ConvNumbers(args.geometry, args.x.dtype, args.accumulate), [&](OnednnPlan& plan) {
        BuildConvBackwardWeights(plan, args.geometry, ConvWeights::kDepthwise, args.x.dtype,
                                 args.accumulate);
      });
}

}  // namespace

KernelEntry<DepthwiseConvBackwardWeights> UnguardedDepthwiseVendor() {
  using Args = DepthwiseConvBackwardWeights::Args;
  KernelEntry<DepthwiseConvBackwardWeights> entry;
  entry.impl = Impl::kVendor;
  entry.name = "onednn";
  entry.declines = [](Context& context, const Args& args) {
    return Plan(context, args).declined();
  };
  entry.workspace_bytes = [](Context& context, const Args& args) {
    return Plan(context, args).workspace_bytes();
  };
  entry.run = [](Context& context, const Args& args) {
    Plan(context, args).Run(context, {args.x.data, args.dy.data, args.dw.data});
  };
  return entry;
}

}  // namespace nasengine
