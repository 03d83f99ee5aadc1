// SPDX-License-Identifier: MIT
#include "bench/kernels/mbconv_vendor.h"

#include <cmath>

#include "bench/kernels/kernel_case.h"
#include "kernels/conv/depthwise_conv.h"
#include "kernels/conv/pointwise_conv.h"
#include "kernels/norm/batch_norm.h"

namespace nasengine {
namespace {

MbconvTensors::Stage MakeStage(Workbench& bench, const Shape& weights, std::int64_t c, DType dtype,
                               std::uint32_t stream) {
  return {.w = bench.Random(weights, stream, dtype),
          .gamma = bench.Random({c}, stream + 1),
          .beta = bench.Random({c}, stream + 2),
          .mean = bench.Random({c}, stream + 3),
          .inv_std = bench.Random({c}, stream + 4),
          .dw = bench.Random(weights, stream + 5),
          .dgamma = bench.Random({c}, stream + 6),
          .dbeta = bench.Random({c}, stream + 7)};
}

MbconvStage Weights(const MbconvTensors::Stage& stage) {
  return {stage.w, stage.gamma, stage.beta};
}
MbconvForward::Statistics Statistics(const MbconvTensors::Stage& stage) {
  return {stage.mean, stage.inv_std, {}, {}};
}
MbconvBackward::StageGradient Gradient(const MbconvTensors::Stage& stage) {
  return {stage.dw, stage.dgamma, stage.dbeta};
}

}  // namespace

MbconvTensors::MbconvTensors(Workbench& bench, const MbconvGeometry& g, DType dtype)
    : geometry(g),
      x(bench.Random(g.InputShape(), 1, dtype)),
      e1(bench.Random(g.E1Shape(), 2, dtype)),
      e2(bench.Random(g.E2Shape(), 3, dtype)),
      o(bench.Random(g.OutputShape(), 4, dtype)),
      y(bench.Random(g.OutputShape(), 5, dtype)),
      dy(bench.Random(g.OutputShape(), 6, dtype)),
      dx(bench.Random(g.InputShape(), 7, dtype)),
      g1(bench.Random(g.E1Shape(), 8, dtype)),
      g2(g.stride == 1 ? g1 : bench.Random(g.E2Shape(), 9, dtype)),
      expand(MakeStage(bench, {g.expanded, g.c_in}, g.expanded, dtype, 20)),
      depthwise(MakeStage(bench, {g.kernel, g.kernel, g.expanded}, g.expanded, dtype, 40)),
      project(MakeStage(bench, {g.c_out, g.expanded}, g.c_out, dtype, 60)) {}

MbconvForward::Args MbconvTensors::Forward() const {
  return {.geometry = geometry,
          .norm = {},
          .x = x,
          .expand = Weights(expand),
          .depthwise = Weights(depthwise),
          .project = Weights(project),
          .e1 = e1,
          .e2 = e2,
          .o = o,
          .y = y,
          .expand_statistics = Statistics(expand),
          .depthwise_statistics = Statistics(depthwise),
          .project_statistics = Statistics(project)};
}

MbconvBackward::Args MbconvTensors::Backward() const {
  return {.geometry = geometry,
          .norm = {},
          .x = x,
          .e1 = e1,
          .e2 = e2,
          .o = o,
          .dy = dy,
          .expand = Weights(expand),
          .depthwise = Weights(depthwise),
          .project = Weights(project),
          .expand_statistics = {expand.mean, expand.inv_std},
          .depthwise_statistics = {depthwise.mean, depthwise.inv_std},
          .project_statistics = {project.mean, project.inv_std},
          .g1 = g1,
          .g2 = g2,
          .dx = dx,
          .expand_gradient = Gradient(expand),
          .depthwise_gradient = Gradient(depthwise),
          .project_gradient = Gradient(project)};
}

VendorMbconv::VendorMbconv(Workbench& bench, const MbconvTensors& tensors)
    : context_(bench.context()),
      t_(tensors),
      a1_(bench.Random(tensors.geometry.E1Shape(), 10, tensors.x.dtype())),
      a2_(bench.Random(tensors.geometry.E2Shape(), 11, tensors.x.dtype())) {}

template <class Op>
void VendorMbconv::Run(const typename Op::Args& args) {
  if constexpr (std::is_same_v<Op, DepthwiseConvBackwardWeights>) {
    static const KernelEntry<Op> unguarded = UnguardedDepthwiseVendor();
    return unguarded.run(context_, args);
  }
  context_.registry().template Entry<Op>(Impl::kVendor).run(context_, args);
}

void VendorMbconv::RunForward() {
  const MbconvGeometry& g = t_.geometry;
  const auto normalise = [&](const Tensor& from, const MbconvTensors::Stage& stage,
                             Activation activation, const Tensor& to) {
    Run<BatchNormForward>({.x = from,
                           .gamma = stage.gamma,
                           .beta = stage.beta,
                           .activation = activation,
                           .y = to,
                           .mean = stage.mean,
                           .inv_std = stage.inv_std,
                           .running_mean = {},
                           .running_var = {}});
  };
  Run<PointwiseConvForward>(
      {.geometry = g.expand(), .x = t_.x, .w = t_.expand.w, .bias = {}, .y = t_.e1});
  normalise(t_.e1, t_.expand, Activation::kRelu6, a1_);
  Run<DepthwiseConvForward>(
      {.geometry = g.depthwise(), .x = a1_, .w = t_.depthwise.w, .bias = {}, .y = t_.e2});
  normalise(t_.e2, t_.depthwise, Activation::kRelu6, a2_);
  Run<PointwiseConvForward>(
      {.geometry = g.project(), .x = a2_, .w = t_.project.w, .bias = {}, .y = t_.o});
  normalise(t_.o, t_.project, Activation::kNone, t_.y);
}

void VendorMbconv::RunBackward() {
  const MbconvGeometry& g = t_.geometry;
  const auto through_norm = [&](const Tensor& x, const Tensor& dy,
                                const MbconvTensors::Stage& stage, Activation activation,
                                const Tensor& dx) {
    Run<BatchNormBackward>({.x = x,
                            .dy = dy,
                            .gamma = stage.gamma,
                            .beta = stage.beta,
                            .mean = stage.mean,
                            .inv_std = stage.inv_std,
                            .activation = activation,
                            .dx = dx,
                            .dgamma = stage.dgamma,
                            .dbeta = stage.dbeta});
  };
  through_norm(t_.o, t_.dy, t_.project, Activation::kNone, t_.y);
  Run<PointwiseConvBackwardWeights>(
      {.geometry = g.project(), .x = a2_, .dy = t_.y, .dw = t_.project.dw});
  Run<PointwiseConvBackwardData>(
      {.geometry = g.project(), .dy = t_.y, .w = t_.project.w, .dx = a2_});
  through_norm(t_.e2, a2_, t_.depthwise, Activation::kRelu6, a2_);
  Run<DepthwiseConvBackwardWeights>(
      {.geometry = g.depthwise(), .x = a1_, .dy = a2_, .dw = t_.depthwise.dw});
  Run<DepthwiseConvBackwardData>(
      {.geometry = g.depthwise(), .dy = a2_, .w = t_.depthwise.w, .dx = a1_});
  through_norm(t_.e1, a1_, t_.expand, Activation::kRelu6, a1_);
  Run<PointwiseConvBackwardWeights>(
      {.geometry = g.expand(), .x = t_.x, .dy = a1_, .dw = t_.expand.dw});
  Run<PointwiseConvBackwardData>(
      {.geometry = g.expand(), .dy = a1_, .w = t_.expand.w, .dx = t_.dx});
}

void VendorMbconv::Run() {
  RunForward();
  RunBackward();
}

}  // namespace nasengine
