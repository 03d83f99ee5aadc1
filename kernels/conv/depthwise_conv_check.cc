// The part of depthwise convolution that all implementations share: argument checks, the list of
// outputs and the unit of rounding error.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv_check.h"

#include <algorithm>
#include <cmath>

#include "kernels/conv/depthwise_taps.h"
#include "kernels/core/bfloat16.h"
#include "kernels/core/error.h"
#include "kernels/core/error_scale.h"

namespace nasengine {
namespace {

void CheckGeometry(const char* op, const ConvGeometry& g) {
  NAS_CHECK(g.c_in == g.c_out, op, ": geometry has ", g.c_in, " input and ", g.c_out,
            " output channels, expected as many");
  NAS_CHECK(g.n >= 0 && g.c_in >= 1 && g.h >= 1 && g.w >= 1, op, ": image is ", g.n, "x", g.h, "x",
            g.w, "x", g.c_in, ", expected a batch of 0 or more and sizes of 1 or more");
  NAS_CHECK(g.kernel >= 1 && g.stride >= 1 && g.pad >= 0, op, ": kernel ", g.kernel, ", stride ",
            g.stride, ", pad ", g.pad, ", expected at least 1, 1, 0");
  NAS_CHECK(g.h + 2 * g.pad >= g.kernel && g.w + 2 * g.pad >= g.kernel, op, ": kernel ", g.kernel,
            " does not fit into a ", g.h, "x", g.w, " image padded by ", g.pad);
}

void CheckTensor(const char* op, const char* name, ConstView found, const Shape& shape,
                 DType dtype) {
  NAS_CHECK(!found.empty(), op, ": ", name, " is missing");
  NAS_CHECK(found.shape == shape, op, ": ", name, " is ", ToString(found.shape), ", expected ",
            ToString(shape));
  NAS_CHECK(found.dtype == dtype, op, ": ", name, " is ", Name(found.dtype), ", expected ",
            Name(dtype));
}

void CheckDType(const char* op, DType dtype) {
  NAS_CHECK(dtype == DType::kF32 || dtype == DType::kBf16 || dtype == DType::kF64, op, ": type is ",
            Name(dtype), ", expected f32, bf16 or f64");
}

Shape InputShape(const ConvGeometry& g) { return {g.n, g.h, g.w, g.c_in}; }
Shape OutputShape(const ConvGeometry& g) { return {g.n, g.out_h(), g.out_w(), g.c_out}; }
Shape WeightShape(const ConvGeometry& g) { return {g.kernel, g.kernel, g.c_in}; }

double Square(double value) { return value * value; }

std::vector<double> Zeros(std::int64_t count) {
  return std::vector<double>(static_cast<std::size_t>(count));
}

// sqrt(K) * RMS(terms) of the output that has the largest, given each one's sum of squared terms.
double Scale(const std::vector<double>& squares) {
  double largest = 0;
  for (const double sum : squares) largest = std::max(largest, sum);
  return std::sqrt(largest);
}

}  // namespace

void CheckArguments(const DepthwiseConvForward::Args& args) {
  const char* op = DepthwiseConvForward::kName;
  const ConvGeometry& g = args.geometry;
  CheckGeometry(op, g);
  CheckDType(op, args.x.dtype);
  CheckTensor(op, "x", args.x, InputShape(g), args.x.dtype);
  CheckTensor(op, "w", args.w, WeightShape(g), args.x.dtype);
  CheckTensor(op, "y", args.y, OutputShape(g), args.x.dtype);
  if (!args.bias.empty()) {
    CheckTensor(op, "bias", args.bias, {g.c_out}, SumType(args.x.dtype));
  }
}

void CheckArguments(const DepthwiseConvBackwardData::Args& args) {
  const char* op = DepthwiseConvBackwardData::kName;
  const ConvGeometry& g = args.geometry;
  CheckGeometry(op, g);
  CheckDType(op, args.dy.dtype);
  CheckTensor(op, "dy", args.dy, OutputShape(g), args.dy.dtype);
  CheckTensor(op, "w", args.w, WeightShape(g), args.dy.dtype);
  CheckTensor(op, "dx", args.dx, InputShape(g), args.dy.dtype);
}

void CheckArguments(const DepthwiseConvBackwardWeights::Args& args) {
  const char* op = DepthwiseConvBackwardWeights::kName;
  const ConvGeometry& g = args.geometry;
  CheckGeometry(op, g);
  CheckDType(op, args.x.dtype);
  CheckTensor(op, "x", args.x, InputShape(g), args.x.dtype);
  CheckTensor(op, "dy", args.dy, OutputShape(g), args.x.dtype);
  CheckTensor(op, "dw", args.dw, WeightShape(g), SumType(args.x.dtype));
}

std::vector<View*> DepthwiseConvForward::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> DepthwiseConvBackwardData::Outputs(Args& args) { return {&args.dx}; }
std::vector<View*> DepthwiseConvBackwardWeights::Outputs(Args& args) { return {&args.dw}; }

double DepthwiseConvForward::ErrorScale(const Args& args, int /*output*/) {
  const std::int64_t c = args.geometry.c_in;
  std::vector<double> squares = Zeros(args.y.elements());
  for (std::int64_t i = 0; i < args.y.elements() && !args.bias.empty(); ++i) {
    squares[static_cast<std::size_t>(i)] = Square(ValueAt(args.bias, i % c));
  }
  ForEachTap(args.geometry, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
    for (std::int64_t i = 0; i < c; ++i) {
      squares[static_cast<std::size_t>(out + i)] +=
          Square(ValueAt(args.x, in + i) * ValueAt(args.w, tap + i));
    }
  });
  return Scale(squares);
}

double DepthwiseConvBackwardData::ErrorScale(const Args& args, int /*output*/) {
  std::vector<double> squares = Zeros(args.dx.elements());
  ForEachTap(args.geometry, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
    for (std::int64_t i = 0; i < args.geometry.c_in; ++i) {
      squares[static_cast<std::size_t>(in + i)] +=
          Square(ValueAt(args.dy, out + i) * ValueAt(args.w, tap + i));
    }
  });
  return Scale(squares);
}

double DepthwiseConvBackwardWeights::ErrorScale(const Args& args, int /*output*/) {
  std::vector<double> squares = Zeros(args.dw.elements());
  for (std::int64_t i = 0; i < args.dw.elements() && args.accumulate; ++i) {
    squares[static_cast<std::size_t>(i)] = Square(ValueAt(args.dw, i));
  }
  ForEachTap(args.geometry, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
    for (std::int64_t i = 0; i < args.geometry.c_in; ++i) {
      squares[static_cast<std::size_t>(tap + i)] +=
          Square(ValueAt(args.x, in + i) * ValueAt(args.dy, out + i));
    }
  });
  return Scale(squares);
}

}  // namespace nasengine
