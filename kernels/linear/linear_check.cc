// The part of the linear layer that all implementations share: argument checks, the list of outputs
// and the unit of rounding error.
// SPDX-License-Identifier: MIT
#include "kernels/linear/linear_check.h"

#include "kernels/core/float_kernel.h"
#include "kernels/core/product_error.h"

namespace nasengine {
namespace {

void CheckMatrix(const char* op, const char* name, const ConstView& view) {
  CheckStorage(op, name, view);
  NAS_CHECK(view.shape.rank() == 2, op, ": ", name, " is ", ToString(view.shape),
            ", expected a matrix");
}

}  // namespace

void CheckArguments(const LinearForward::Args& args) {
  const char* op = LinearForward::kName;
  CheckMatrix(op, "x", args.x);
  CheckMatrix(op, "w", args.w);
  const std::int64_t out = args.w.shape[0];
  CheckView(op, "w", args.w, {out, args.x.shape[1]}, args.x.dtype);
  CheckView(op, "y", args.y, {args.x.shape[0], out}, SumType(args.x.dtype));
  if (!args.bias.empty()) CheckView(op, "bias", args.bias, {out}, SumType(args.x.dtype));
}

void CheckArguments(const LinearBackwardData::Args& args) {
  const char* op = LinearBackwardData::kName;
  CheckMatrix(op, "dy", args.dy);
  CheckMatrix(op, "w", args.w);
  const std::int64_t in = args.w.shape[1];
  CheckView(op, "w", args.w, {args.dy.shape[1], in}, args.dy.dtype);
  CheckView(op, "dx", args.dx, {args.dy.shape[0], in}, args.dy.dtype);
}

void CheckArguments(const LinearBackwardWeights::Args& args) {
  const char* op = LinearBackwardWeights::kName;
  CheckMatrix(op, "x", args.x);
  CheckMatrix(op, "dy", args.dy);
  const std::int64_t out = args.dy.shape[1];
  CheckView(op, "dy", args.dy, {args.x.shape[0], out}, args.x.dtype);
  CheckView(op, "dw", args.dw, {out, args.x.shape[1]}, SumType(args.x.dtype));
  if (!args.dbias.empty()) CheckView(op, "dbias", args.dbias, {out}, SumType(args.x.dtype));
}

std::vector<View*> LinearForward::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> LinearBackwardData::Outputs(Args& args) { return {&args.dx}; }
std::vector<View*> LinearBackwardWeights::Outputs(Args& args) { return {&args.dw, &args.dbias}; }

double LinearForward::ErrorScale(const Args& args, int /*output*/) {
  const double terms = static_cast<double>(args.x.shape[1]);
  return ProductErrorScale(terms, MeanSquares(args.x, args.x.shape[1]).row,
                           MeanSquares(args.w, args.w.shape[1]).row, LargestSquare(args.bias));
}

double LinearBackwardData::ErrorScale(const Args& args, int /*output*/) {
  const double terms = static_cast<double>(args.dy.shape[1]);
  return ProductErrorScale(terms, MeanSquares(args.dy, args.dy.shape[1]).row,
                           MeanSquares(args.w, args.w.shape[1]).column);
}

double LinearBackwardWeights::ErrorScale(const Args& args, int output) {
  const double terms = static_cast<double>(args.x.shape[0]);
  const double factor = output == 0 ? MeanSquares(args.x, args.x.shape[1]).column : 1;
  const double before = args.accumulate ? LargestSquare(output == 0 ? args.dw : args.dbias) : 0;
  return ProductErrorScale(terms, factor, MeanSquares(args.dy, args.dy.shape[1]).column, before);
}

}  // namespace nasengine
