// The part of dense and pointwise convolution that all implementations share: argument checks, the
// list of outputs and the unit of rounding error.
// SPDX-License-Identifier: MIT
#include "kernels/conv/conv_check.h"

#include "kernels/core/float_kernel.h"
#include "kernels/core/product_error.h"

namespace nasengine {
namespace {

Shape InputShape(const ConvGeometry& g) { return {g.n, g.h, g.w, g.c_in}; }
Shape OutputShape(const ConvGeometry& g) { return {g.n, g.out_h(), g.out_w(), g.c_out}; }
Shape DenseWeights(const ConvGeometry& g) { return {g.c_out, g.kernel, g.kernel, g.c_in}; }
Shape PointwiseWeights(const ConvGeometry& g) { return {g.c_out, g.c_in}; }

void CheckGeometry(const char* op, const ConvGeometry& g) {
  NAS_CHECK(g.n >= 0 && g.h >= 1 && g.w >= 1 && g.c_in >= 1, op, ": image is ", g.n, "x", g.h, "x",
            g.w, "x", g.c_in, ", expected a batch of 0 or more and sizes of 1 or more");
  NAS_CHECK(g.c_out >= 1, op, ": ", g.c_out, " output channels, expected 1 or more");
  NAS_CHECK(g.kernel >= 1 && g.stride >= 1 && g.pad >= 0, op, ": kernel ", g.kernel, ", stride ",
            g.stride, ", pad ", g.pad, ", expected at least 1, 1, 0");
  NAS_CHECK(g.h + 2 * g.pad >= g.kernel && g.w + 2 * g.pad >= g.kernel, op, ": kernel ", g.kernel,
            " does not fit into a ", g.h, "x", g.w, " image padded by ", g.pad);
}

void CheckPointwise(const char* op, const ConvGeometry& g) {
  NAS_CHECK(g.kernel == 1 && g.stride == 1 && g.pad == 0, op, ": kernel ", g.kernel, ", stride ",
            g.stride, ", pad ", g.pad, ", expected 1, 1, 0");
}

template <class Args>
void CheckForward(const char* op, const Args& args, const Shape& weights) {
  const ConvGeometry& g = args.geometry;
  CheckGeometry(op, g);
  CheckStorage(op, "x", args.x);
  CheckView(op, "x", args.x, InputShape(g), args.x.dtype);
  CheckView(op, "w", args.w, weights, args.x.dtype);
  CheckView(op, "y", args.y, OutputShape(g), args.x.dtype);
  if (!args.bias.empty()) CheckView(op, "bias", args.bias, {g.c_out}, SumType(args.x.dtype));
}

template <class Args>
void CheckBackwardData(const char* op, const Args& args, const Shape& weights) {
  const ConvGeometry& g = args.geometry;
  CheckGeometry(op, g);
  CheckStorage(op, "dy", args.dy);
  CheckView(op, "dy", args.dy, OutputShape(g), args.dy.dtype);
  CheckView(op, "w", args.w, weights, args.dy.dtype);
  CheckView(op, "dx", args.dx, InputShape(g), args.dy.dtype);
}

template <class Args>
void CheckBackwardWeights(const char* op, const Args& args, const Shape& weights) {
  const ConvGeometry& g = args.geometry;
  CheckGeometry(op, g);
  CheckStorage(op, "x", args.x);
  CheckView(op, "x", args.x, InputShape(g), args.x.dtype);
  CheckView(op, "dy", args.dy, OutputShape(g), args.x.dtype);
  CheckView(op, "dw", args.dw, weights, SumType(args.x.dtype));
}

template <class Args>
double ForwardScale(const Args& args) {
  const ConvGeometry& g = args.geometry;
  const double terms = static_cast<double>(g.kernel * g.kernel * g.c_in);
  return ProductErrorScale(terms, MeanSquares(args.x, g.c_in).row,
                           MeanSquares(args.w, args.w.elements() / g.c_out).row,
                           LargestSquare(args.bias));
}

template <class Args>
double BackwardDataScale(const Args& args) {
  const ConvGeometry& g = args.geometry;
  const double terms = static_cast<double>(g.kernel * g.kernel * g.c_out);
  // The weights of an input channel are a column, at every tap.
  return ProductErrorScale(terms, MeanSquares(args.dy, g.c_out).row,
                           MeanSquares(args.w, g.c_in).column);
}

// Terms of neighbouring pixels are no independent ones: over an even background their running sum
// goes one way, the further the larger the background. On Fashion-MNIST, batch 32, the stem's
// gradients were up to 9 * 2^-24 * K * RMS off where ProductErrorScale gives 4; a term left out
// stands out to K = 10^5.
constexpr double kNeighbours = 8;

template <class Args>
double BackwardWeightsScale(const Args& args) {
  const ConvGeometry& g = args.geometry;
  const double terms = static_cast<double>(g.n * g.out_h() * g.out_w());
  const double before = args.accumulate ? LargestSquare(args.dw) : 0;
  return kNeighbours * ProductErrorScale(terms, MeanSquares(args.x, g.c_in).column,
                                         MeanSquares(args.dy, g.c_out).column, before);
}

}  // namespace

void CheckArguments(const Conv2dForward::Args& args) {
  CheckForward(Conv2dForward::kName, args, DenseWeights(args.geometry));
}
void CheckArguments(const Conv2dBackwardData::Args& args) {
  CheckBackwardData(Conv2dBackwardData::kName, args, DenseWeights(args.geometry));
}
void CheckArguments(const Conv2dBackwardWeights::Args& args) {
  CheckBackwardWeights(Conv2dBackwardWeights::kName, args, DenseWeights(args.geometry));
}
void CheckArguments(const PointwiseConvForward::Args& args) {
  CheckPointwise(PointwiseConvForward::kName, args.geometry);
  CheckForward(PointwiseConvForward::kName, args, PointwiseWeights(args.geometry));
}
void CheckArguments(const PointwiseConvBackwardData::Args& args) {
  CheckPointwise(PointwiseConvBackwardData::kName, args.geometry);
  CheckBackwardData(PointwiseConvBackwardData::kName, args, PointwiseWeights(args.geometry));
}
void CheckArguments(const PointwiseConvBackwardWeights::Args& args) {
  CheckPointwise(PointwiseConvBackwardWeights::kName, args.geometry);
  CheckBackwardWeights(PointwiseConvBackwardWeights::kName, args, PointwiseWeights(args.geometry));
}

std::vector<View*> Conv2dForward::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> Conv2dBackwardData::Outputs(Args& args) { return {&args.dx}; }
std::vector<View*> Conv2dBackwardWeights::Outputs(Args& args) { return {&args.dw}; }
std::vector<View*> PointwiseConvForward::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> PointwiseConvBackwardData::Outputs(Args& args) { return {&args.dx}; }
std::vector<View*> PointwiseConvBackwardWeights::Outputs(Args& args) { return {&args.dw}; }

double Conv2dForward::ErrorScale(const Args& args, int /*output*/) { return ForwardScale(args); }
double Conv2dBackwardData::ErrorScale(const Args& args, int /*output*/) {
  return BackwardDataScale(args);
}
double Conv2dBackwardWeights::ErrorScale(const Args& args, int /*output*/) {
  return BackwardWeightsScale(args);
}
double PointwiseConvForward::ErrorScale(const Args& args, int /*output*/) {
  return ForwardScale(args);
}
double PointwiseConvBackwardData::ErrorScale(const Args& args, int /*output*/) {
  return BackwardDataScale(args);
}
double PointwiseConvBackwardWeights::ErrorScale(const Args& args, int /*output*/) {
  return BackwardWeightsScale(args);
}

}  // namespace nasengine
