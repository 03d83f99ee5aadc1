// Our CUDA depthwise convolution as registered kernels, and the launches of its plain kernels.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "kernels/conv/depthwise_conv.h"
#include "kernels/conv/depthwise_conv_check.h"
#include "kernels/conv/depthwise_conv_cuda_launch.h"
#include "kernels/conv/depthwise_conv_cuda_plain.cuh"
#include "kernels/core/float_kernel.h"
#include "kernels/cuda/sum_parts.h"
#include "kernels/cuda/with_storage.h"

namespace nasengine {
namespace cuda {
namespace {

PlainGeometry PlainOf(const ConvGeometry& g, std::int64_t pixels) {
  return {.pixels = pixels,
          .h = static_cast<int>(g.h),
          .w = static_cast<int>(g.w),
          .out_h = static_cast<int>(g.out_h()),
          .out_w = static_cast<int>(g.out_w()),
          .channels = static_cast<int>(g.c_in),
          .kernel = static_cast<int>(g.kernel),
          .stride = static_cast<int>(g.stride),
          .pad = static_cast<int>(g.pad)};
}

LaunchShape PlainShape(const PlainGeometry& g) {
  return {dim3(static_cast<unsigned>(DivideUp(g.pixels * g.channels, kPlainThreads))),
          dim3(kPlainThreads)};
}

// So many that no thread sums up more pixels than march::kUsualTerms.
std::int64_t PlainParts(const ConvGeometry& g) {
  return std::max<std::int64_t>(
      DivideUp(g.n * g.out_h() * g.out_w(), kPlainStreams * march::kUsualTerms), 1);
}

}  // namespace

void PlainForward(Context& context, const DepthwiseMap& job) {
  const ConvGeometry& g = job.geometry;
  const PlainGeometry plain = PlainOf(g, g.n * g.out_h() * g.out_w());
  WithStorage(job.dtype, [&]<class T>(T) {
    Launch(context, "depthwise_conv_plain_forward", &DepthwisePlainForward<T>, PlainShape(plain),
           static_cast<const T*>(job.in), static_cast<const T*>(job.w), job.bias,
           static_cast<T*>(job.out), plain, job.activation);
  });
}

void PlainBackwardData(Context& context, const DepthwiseMap& job) {
  const PlainGeometry plain =
      PlainOf(job.geometry, job.geometry.n * job.geometry.h * job.geometry.w);
  WithStorage(job.dtype, [&]<class T>(T) {
    Launch(context, "depthwise_conv_plain_backward_data", &DepthwisePlainBackwardData<T>,
           PlainShape(plain), static_cast<const T*>(job.in), static_cast<const T*>(job.w),
           static_cast<T*>(job.out), plain);
  });
}

std::size_t PlainWeightsBytes(Context& /*context*/, const DepthwiseGradient& job) {
  const ConvGeometry& g = job.geometry;
  return static_cast<std::size_t>(PlainParts(g) * g.kernel * g.kernel * g.c_in) * sizeof(float);
}

void PlainBackwardWeights(Context& context, const DepthwiseGradient& job) {
  const ConvGeometry& g = job.geometry;
  const PlainGeometry plain = PlainOf(g, g.n * g.out_h() * g.out_w());
  const std::int64_t parts = PlainParts(g);
  const std::int64_t taps = g.kernel * g.kernel;
  const std::int64_t chunks = DivideUp(g.c_in, kPlainLanes);
  auto* partial = static_cast<float*>(context.Workspace(PlainWeightsBytes(context, job)));
  WithStorage(job.dtype, [&]<class T>(T) {
    Launch(context, "depthwise_conv_plain_backward_weights", &DepthwisePlainWeightSums<T>,
           {dim3(static_cast<unsigned>(chunks * taps * parts)), dim3(kPlainLanes, kPlainStreams)},
           static_cast<const T*>(job.x), static_cast<const T*>(job.dy), partial, plain,
           static_cast<int>(chunks), static_cast<int>(parts));
  });
  SumParts(context, partial, parts, taps * g.c_in, job.accumulate, job.dw);
}

namespace {

void Forward(Context& context, const DepthwiseConvForward::Args& args) {
  CheckArguments(args);
  if (args.y.elements() == 0) return;
  const DepthwiseMap job{.geometry = args.geometry,
                         .dtype = args.x.dtype,
                         .in = args.x.data,
                         .w = args.w.data,
                         .bias = args.bias.empty() ? nullptr : args.bias.As<float>(),
                         .out = args.y.data,
                         .activation = args.activation};
  if (!MarchForward(context, job)) PlainForward(context, job);
}

void BackwardData(Context& context, const DepthwiseConvBackwardData::Args& args) {
  CheckArguments(args);
  if (args.dx.elements() == 0) return;
  const DepthwiseMap job{.geometry = args.geometry,
                         .dtype = args.dy.dtype,
                         .in = args.dy.data,
                         .w = args.w.data,
                         .out = args.dx.data};
  if (!MarchBackwardData(context, job)) PlainBackwardData(context, job);
}

DepthwiseGradient GradientOf(const DepthwiseConvBackwardWeights::Args& args) {
  return {.geometry = args.geometry,
          .dtype = args.x.dtype,
          .x = args.x.data,
          .dy = args.dy.data,
          .dw = args.dw.As<float>(),
          .accumulate = args.accumulate};
}

void BackwardWeights(Context& context, const DepthwiseConvBackwardWeights::Args& args) {
  CheckArguments(args);
  const DepthwiseGradient job = GradientOf(args);
  if (args.dy.elements() == 0) {
    return SumParts(context, nullptr, 0, args.dw.elements(), args.accumulate, job.dw);
  }
  if (!MarchBackwardWeights(context, job)) PlainBackwardWeights(context, job);
}

std::size_t WeightsBytes(Context& context, const DepthwiseConvBackwardWeights::Args& args) {
  CheckArguments(args);
  if (args.dy.elements() == 0) return 0;
  const DepthwiseGradient job = GradientOf(args);
  const std::size_t bytes = MarchWeightsBytes(context, job);
  return bytes != 0 ? bytes : PlainWeightsBytes(context, job);
}

}  // namespace
}  // namespace cuda

void RegisterDepthwiseConvCuda(KernelRegistry& registry) {
  RegisterOurs<DepthwiseConvForward>(registry, "cuda", cuda::Forward, nullptr, DeviceType::kCuda);
  RegisterOurs<DepthwiseConvBackwardData>(registry, "cuda", cuda::BackwardData, nullptr,
                                          DeviceType::kCuda);
  RegisterOurs<DepthwiseConvBackwardWeights>(registry, "cuda", cuda::BackwardWeights,
                                             cuda::WeightsBytes, DeviceType::kCuda);
}

}  // namespace nasengine
