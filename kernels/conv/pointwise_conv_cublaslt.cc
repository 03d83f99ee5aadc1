// Pointwise convolution by cuBLASLt, as a matrix product over n*h*w rows. cuDNN is not asked: its
// strict f32 took 1.5 to 10 times as long on an H200.
// SPDX-License-Identifier: MIT
#include "kernels/conv/conv_check.h"
#include "kernels/cuda/cublaslt_matmul.h"

namespace nasengine {
namespace {

using cuda::ProductCall;

std::int64_t Rows(const ConvGeometry& g) { return g.n * g.h * g.w; }

ProductCall ForwardCall(const PointwiseConvForward::Args& args) {
  return {.op = MatmulOperator::kForward,
          .rows = Rows(args.geometry),
          .c_in = args.geometry.c_in,
          .c_out = args.geometry.c_out,
          .x = args.x,
          .w = args.w,
          .y = args.y,
          .bias = args.bias,
          .activation = args.activation};
}

ProductCall BackwardDataCall(const PointwiseConvBackwardData::Args& args) {
  return {.op = MatmulOperator::kBackwardData,
          .rows = Rows(args.geometry),
          .c_in = args.geometry.c_in,
          .c_out = args.geometry.c_out,
          .x = args.dx,
          .w = args.w,
          .y = args.dy};
}

ProductCall BackwardWeightsCall(const PointwiseConvBackwardWeights::Args& args) {
  return {.op = MatmulOperator::kBackwardWeights,
          .rows = Rows(args.geometry),
          .c_in = args.geometry.c_in,
          .c_out = args.geometry.c_out,
          .x = args.x,
          .w = args.dw,
          .y = args.dy,
          .accumulate = args.accumulate};
}

void Forward(Context& context, const PointwiseConvForward::Args& args) {
  CheckArguments(args);
  cuda::RunCublasLt(context, ForwardCall(args));
}

void BackwardData(Context& context, const PointwiseConvBackwardData::Args& args) {
  CheckArguments(args);
  cuda::RunCublasLt(context, BackwardDataCall(args));
}

void BackwardWeights(Context& context, const PointwiseConvBackwardWeights::Args& args) {
  CheckArguments(args);
  cuda::RunCublasLt(context, BackwardWeightsCall(args));
}

}  // namespace

void RegisterPointwiseConvCublaslt(KernelRegistry& registry) {
  cuda::RegisterCublasLt<PointwiseConvForward>(registry, ForwardCall, Forward);
  cuda::RegisterCublasLt<PointwiseConvBackwardData>(registry, BackwardDataCall, BackwardData);
  cuda::RegisterCublasLt<PointwiseConvBackwardWeights>(registry, BackwardWeightsCall,
                                                       BackwardWeights);
}

}  // namespace nasengine
