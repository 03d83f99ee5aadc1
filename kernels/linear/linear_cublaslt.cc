// The linear layer by cuBLASLt; the sums of dy's columns, which are the bias's gradient, by a
// kernel of ours.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/cublaslt_matmul.h"
#include "kernels/cuda/vendor_steps.h"
#include "kernels/linear/linear_check.h"

namespace nasengine {
namespace {

using cuda::ProductCall;

ProductCall ForwardCall(const LinearForward::Args& args) {
  return {.op = MatmulOperator::kForward,
          .rows = args.x.shape[0],
          .c_in = args.w.shape[1],
          .c_out = args.w.shape[0],
          .x = args.x,
          .w = args.w,
          .y = args.y,
          .bias = args.bias};
}

ProductCall BackwardDataCall(const LinearBackwardData::Args& args) {
  return {.op = MatmulOperator::kBackwardData,
          .rows = args.dy.shape[0],
          .c_in = args.w.shape[1],
          .c_out = args.w.shape[0],
          .x = args.dx,
          .w = args.w,
          .y = args.dy};
}

ProductCall BackwardWeightsCall(const LinearBackwardWeights::Args& args) {
  return {.op = MatmulOperator::kBackwardWeights,
          .rows = args.x.shape[0],
          .c_in = args.x.shape[1],
          .c_out = args.dy.shape[1],
          .x = args.x,
          .w = args.dw,
          .y = args.dy,
          .accumulate = args.accumulate};
}

void Forward(Context& context, const LinearForward::Args& args) {
  CheckArguments(args);
  cuda::RunCublasLt(context, ForwardCall(args));
}

void BackwardData(Context& context, const LinearBackwardData::Args& args) {
  CheckArguments(args);
  cuda::RunCublasLt(context, BackwardDataCall(args));
}

void BackwardWeights(Context& context, const LinearBackwardWeights::Args& args) {
  CheckArguments(args);
  cuda::RunCublasLt(context, BackwardWeightsCall(args));
  if (!args.dbias.empty()) cuda::SumColumns(context, args.dy, args.accumulate, args.dbias);
}

}  // namespace

void RegisterLinearCublaslt(KernelRegistry& registry) {
  cuda::RegisterCublasLt<LinearForward>(registry, ForwardCall, Forward);
  cuda::RegisterCublasLt<LinearBackwardData>(registry, BackwardDataCall, BackwardData);
  cuda::RegisterCublasLt<LinearBackwardWeights>(registry, BackwardWeightsCall, BackwardWeights);
}

}  // namespace nasengine
