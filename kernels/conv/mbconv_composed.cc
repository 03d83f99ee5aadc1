// The MBConv block as its operators one after another: by their references, which makes the
// reference of the fused block; or by whatever the policy gives each of them.
//
// Where backward reads an activated tensor, it is normalised again from what the convolution gave,
// by the same operator, so that no more is kept than the fused block keeps.
// SPDX-License-Identifier: MIT
#include "kernels/conv/composition.h"
#include "kernels/conv/depthwise_conv.h"
#include "kernels/conv/mbconv_check.h"
#include "kernels/conv/pointwise_conv.h"
#include "kernels/norm/batch_norm.h"

namespace nasengine {
namespace {

using composition::ByPolicy;
using composition::ByReference;
using composition::Temporary;

template <class How>
void Normalise(Context& context, How& how, const MbconvNorm& norm, Activation activation, View from,
               const MbconvStage& stage, const MbconvForward::Statistics& statistics, View to) {
  how.template Run<BatchNormForward>(context, {.x = from,
                                               .gamma = stage.gamma,
                                               .beta = stage.beta,
                                               .epsilon = norm.epsilon,
                                               .momentum = norm.momentum,
                                               .activation = activation,
                                               .y = to,
                                               .mean = statistics.mean,
                                               .inv_std = statistics.inv_std,
                                               .running_mean = statistics.running_mean,
                                               .running_var = statistics.running_var});
}

template <class How>
void ComposeForward(Context& context, How& how, const MbconvForward::Args& args) {
  CheckArguments(args);
  const MbconvGeometry& g = args.geometry;
  const DType dtype = args.x.dtype;
  Tensor a1;
  ConstView depthwise_in = args.x;
  if (!args.expand.w.empty()) {
    how.template Run<PointwiseConvForward>(
        context,
        {.geometry = g.expand(), .x = args.x, .w = args.expand.w, .bias = {}, .y = args.e1});
    if (OnlyExpands(args)) return;
    a1 = Temporary(context, g.E1Shape(), dtype);
    Normalise(context, how, args.norm, args.norm.activation, args.e1, args.expand,
              args.expand_statistics, a1);
    depthwise_in = a1;
  }
  how.template Run<DepthwiseConvForward>(context, {.geometry = g.depthwise(),
                                                   .x = depthwise_in,
                                                   .w = args.depthwise.w,
                                                   .bias = {},
                                                   .y = args.e2});
  a1.Reset();
  const Tensor a2 = Temporary(context, g.E2Shape(), dtype);
  Normalise(context, how, args.norm, args.norm.activation, args.e2, args.depthwise,
            args.depthwise_statistics, a2);
  how.template Run<PointwiseConvForward>(
      context, {.geometry = g.project(), .x = a2, .w = args.project.w, .bias = {}, .y = args.o});
  const Tensor unwanted = args.y.empty() ? Temporary(context, g.OutputShape(), dtype) : Tensor();
  Normalise(context, how, args.norm, Activation::kNone, args.o, args.project,
            args.project_statistics, args.y.empty() ? unwanted.view() : args.y);
}

// The activated tensor that the forward pass went on with.
template <class How>
Tensor NormaliseAgain(Context& context, How& how, const MbconvNorm& norm, ConstView from,
                      const MbconvStage& stage) {
  const Shape channels{from.shape.back()};
  const Tensor mean = Temporary(context, channels, SumType(from.dtype));
  const Tensor inv_std = Temporary(context, channels, SumType(from.dtype));
  Tensor to = Temporary(context, from.shape, from.dtype);
  how.template Run<BatchNormForward>(context, {.x = from,
                                               .gamma = stage.gamma,
                                               .beta = stage.beta,
                                               .epsilon = norm.epsilon,
                                               .activation = norm.activation,
                                               .y = to,
                                               .mean = mean,
                                               .inv_std = inv_std,
                                               .running_mean = {},
                                               .running_var = {}});
  return to;
}

template <class How>
void ThroughNorm(Context& context, How& how, Activation activation, ConstView x, ConstView dy,
                 const MbconvStage& stage, const MbconvBackward::Statistics& statistics,
                 const MbconvBackward::StageGradient& gradient, bool accumulate, View dx) {
  how.template Run<BatchNormBackward>(context, {.x = x,
                                                .dy = dy,
                                                .gamma = stage.gamma,
                                                .beta = stage.beta,
                                                .mean = statistics.mean,
                                                .inv_std = statistics.inv_std,
                                                .activation = activation,
                                                .dx = dx,
                                                .dgamma = gradient.dgamma,
                                                .dbeta = gradient.dbeta,
                                                .accumulate = accumulate});
}

// g2 = the gradient of e2.
template <class How>
void BackToDepthwise(Context& context, How& how, const MbconvBackward::Args& args) {
  const ConvGeometry geometry = args.geometry.project();
  const Tensor d_o = Temporary(context, args.geometry.OutputShape(), args.dy.dtype);
  ThroughNorm(context, how, Activation::kNone, args.o, args.dy, args.project,
              args.project_statistics, args.project_gradient, args.accumulate, d_o);
  if (!args.project_gradient.dw.empty()) {
    const Tensor a2 = NormaliseAgain(context, how, args.norm, args.e2, args.depthwise);
    how.template Run<PointwiseConvBackwardWeights>(context, {.geometry = geometry,
                                                             .x = a2,
                                                             .dy = d_o,
                                                             .dw = args.project_gradient.dw,
                                                             .accumulate = args.accumulate});
  }
  how.template Run<PointwiseConvBackwardData>(
      context, {.geometry = geometry, .dy = d_o, .w = args.project.w, .dx = args.g2});
  ThroughNorm(context, how, args.norm.activation, args.e2, args.g2, args.depthwise,
              args.depthwise_statistics, args.depthwise_gradient, args.accumulate, args.g2);
}

template <class How>
void ComposeBackward(Context& context, How& how, const MbconvBackward::Args& args) {
  CheckArguments(args);
  const MbconvGeometry& g = args.geometry;
  const bool expands = !args.expand.w.empty();
  BackToDepthwise(context, how, args);
  if (!args.depthwise_gradient.dw.empty()) {
    Tensor a1;
    if (expands) a1 = NormaliseAgain(context, how, args.norm, args.e1, args.expand);
    how.template Run<DepthwiseConvBackwardWeights>(context, {.geometry = g.depthwise(),
                                                             .x = expands ? ConstView(a1) : args.x,
                                                             .dy = args.g2,
                                                             .dw = args.depthwise_gradient.dw,
                                                             .accumulate = args.accumulate});
  }
  // The operator cannot write where it reads, the fused block can.
  Tensor own;
  View g1 = expands ? args.g1 : args.dx;
  if (g1.empty()) return;
  if (g1.data == args.g2.data) g1 = own = Temporary(context, g.E1Shape(), args.dy.dtype);
  how.template Run<DepthwiseConvBackwardData>(
      context, {.geometry = g.depthwise(), .dy = args.g2, .w = args.depthwise.w, .dx = g1});
  if (!expands) return;
  ThroughNorm(context, how, args.norm.activation, args.e1, g1, args.expand, args.expand_statistics,
              args.expand_gradient, args.accumulate, g1);
  if (!args.expand_gradient.dw.empty()) {
    how.template Run<PointwiseConvBackwardWeights>(context, {.geometry = g.expand(),
                                                             .x = args.x,
                                                             .dy = g1,
                                                             .dw = args.expand_gradient.dw,
                                                             .accumulate = args.accumulate});
  }
  if (args.dx.empty()) return;
  how.template Run<PointwiseConvBackwardData>(
      context, {.geometry = g.expand(), .dy = g1, .w = args.expand.w, .dx = args.dx});
}

struct Composition {
  template <class How>
  static void Run(Context& context, How& how, const MbconvForward::Args& args) {
    ComposeForward(context, how, args);
  }
  template <class How>
  static void Run(Context& context, How& how, const MbconvBackward::Args& args) {
    ComposeBackward(context, how, args);
  }
};

template <class How>
void Register(KernelRegistry& registry, Impl impl, const char* name,
              DeviceType device = DeviceType::kCpu) {
  composition::Register<MbconvForward, Composition, How>(registry, impl, name, device);
  composition::Register<MbconvBackward, Composition, How>(registry, impl, name, device);
}

}  // namespace

std::vector<double> MbconvForward::ErrorScales(Context& context, const Args& args) {
  return composition::MeasureScales<MbconvForward, Composition>(context, args, args.x.dtype);
}
std::vector<double> MbconvBackward::ErrorScales(Context& context, const Args& args) {
  return composition::MeasureScales<MbconvBackward, Composition>(context, args, args.dy.dtype);
}

void RegisterMbconvReference(KernelRegistry& registry) {
  Register<ByReference>(registry, Impl::kReference, "reference");
}

void RegisterMbconvComposed(KernelRegistry& registry) {
  Register<ByPolicy>(registry, Impl::kVendor, "composed");
}

void RegisterMbconvComposedCuda(KernelRegistry& registry) {
  Register<ByPolicy>(registry, Impl::kVendor, "composed", DeviceType::kCuda);
}

}  // namespace nasengine
