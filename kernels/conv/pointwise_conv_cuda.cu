// Pointwise convolution on CUDA by matrix products of ours.
// SPDX-License-Identifier: MIT
#include "kernels/conv/conv_check.h"
#include "kernels/conv/matrix_product_cuda.h"
#include "kernels/core/float_kernel.h"

namespace nasengine {
namespace {

cuda::LayerSizes SizesOf(const ConvGeometry& g) {
  return {.rows = g.n * g.h * g.w, .in = g.c_in, .out = g.c_out};
}

void Forward(Context& context, const PointwiseConvForward::Args& args) {
  CheckArguments(args);
  cuda::LayerForward(context, PointwiseConvForward::kName, SizesOf(args.geometry), args.x, args.w,
                     args.bias, args.activation, args.y);
}

void BackwardData(Context& context, const PointwiseConvBackwardData::Args& args) {
  CheckArguments(args);
  cuda::LayerBackwardData(context, PointwiseConvBackwardData::kName, SizesOf(args.geometry),
                          args.dy, args.w, args.dx);
}

std::size_t BackwardWeightsBytes(Context& context, const PointwiseConvBackwardWeights::Args& args) {
  return cuda::LayerBackwardWeightsBytes(context, SizesOf(args.geometry));
}

void BackwardWeights(Context& context, const PointwiseConvBackwardWeights::Args& args) {
  CheckArguments(args);
  cuda::LayerBackwardWeights(context, PointwiseConvBackwardWeights::kName, SizesOf(args.geometry),
                             args.x, args.dy, args.dw, args.accumulate,
                             context.Workspace(BackwardWeightsBytes(context, args)));
}

}  // namespace

void RegisterPointwiseConvCuda(KernelRegistry& registry) {
  constexpr DeviceType kDevice = DeviceType::kCuda;
  RegisterOurs<PointwiseConvForward>(registry, "cuda", Forward, nullptr, kDevice);
  RegisterOurs<PointwiseConvBackwardData>(registry, "cuda", BackwardData, nullptr, kDevice);
  RegisterOurs<PointwiseConvBackwardWeights>(registry, "cuda", BackwardWeights,
                                             BackwardWeightsBytes, kDevice);
}

}  // namespace nasengine
