// The deployed MBConv block as its operators one after another: by their references, which makes
// the reference of the fused block; or by whatever the policy gives each of them.
// SPDX-License-Identifier: MIT
#include "kernels/conv/composition.h"
#include "kernels/conv/depthwise_conv.h"
#include "kernels/conv/mbconv_check.h"
#include "kernels/conv/pointwise_conv.h"
#include "kernels/elementwise/elementwise.h"

namespace nasengine {
namespace {

struct Composition {
  template <class How>
  static void Run(Context& context, How& how, const MbconvInference::Args& args) {
    CheckArguments(args);
    const MbconvGeometry& g = args.geometry;
    Tensor e1;
    ConstView depthwise_in = args.x;
    if (!args.expand.w.empty()) {
      e1 = composition::Temporary(context, g.E1Shape(), DType::kF32);
      how.template Run<PointwiseConvForward>(context, {.geometry = g.expand(),
                                                       .x = args.x,
                                                       .w = args.expand.w,
                                                       .bias = args.expand.bias,
                                                       .activation = args.activation,
                                                       .y = e1});
      depthwise_in = e1;
    }
    const Tensor e2 = composition::Temporary(context, g.E2Shape(), DType::kF32);
    how.template Run<DepthwiseConvForward>(context, {.geometry = g.depthwise(),
                                                     .x = depthwise_in,
                                                     .w = args.depthwise.w,
                                                     .bias = args.depthwise.bias,
                                                     .activation = args.activation,
                                                     .y = e2});
    how.template Run<PointwiseConvForward>(context, {.geometry = g.project(),
                                                     .x = e2,
                                                     .w = args.project.w,
                                                     .bias = args.project.bias,
                                                     .y = args.y});
    if (args.residual) how.template Run<Add>(context, {.a = args.y, .b = args.x, .y = args.y});
  }
};

}  // namespace

std::vector<View*> MbconvInference::Outputs(Args& args) { return {&args.y}; }
std::vector<double> MbconvInference::ErrorScales(Context& context, const Args& args) {
  return composition::MeasureScales<MbconvInference, Composition>(context, args, DType::kF32);
}

void RegisterMbconvInferenceReference(KernelRegistry& registry) {
  composition::Register<MbconvInference, Composition, composition::ByReference>(
      registry, Impl::kReference, "reference");
}

void RegisterMbconvInferenceComposed(KernelRegistry& registry) {
  composition::Register<MbconvInference, Composition, composition::ByPolicy>(
      registry, Impl::kVendor, "composed");
}

void RegisterMbconvInferenceComposedCuda(KernelRegistry& registry) {
  composition::Register<MbconvInference, Composition, composition::ByPolicy>(
      registry, Impl::kVendor, "composed", DeviceType::kCuda);
}

}  // namespace nasengine
