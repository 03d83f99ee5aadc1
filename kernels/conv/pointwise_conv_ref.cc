// The reference of pointwise convolution: a plain matrix product over pixels, sums in f64, tensors
// in f32, bf16 or f64.
// SPDX-License-Identifier: MIT
#include <vector>

#include "kernels/conv/conv_check.h"
#include "kernels/core/bfloat16.h"
#include "kernels/core/float_kernel.h"

namespace nasengine {
namespace {

// Written so that a NaN stays one.
double Activate(double value, Activation activation) {
  if (activation == Activation::kNone) return value;
  if (value < 0) return 0;
  return activation == Activation::kRelu6 && value > 6 ? 6 : value;
}

template <class T>
void Forward(const PointwiseConvForward::Args& args) {
  const std::int64_t c_in = args.geometry.c_in;
  const std::int64_t c_out = args.geometry.c_out;
  for (std::int64_t row = 0; row < args.x.shape.rows(); ++row) {
    const T* x = args.x.As<T>() + row * c_in;
    for (std::int64_t o = 0; o < c_out; ++o) {
      const T* w = args.w.As<T>() + o * c_in;
      double sum = args.bias.empty() ? 0 : ToDouble(args.bias.As<SumOf<T>>()[o]);
      for (std::int64_t i = 0; i < c_in; ++i) sum += ToDouble(x[i]) * ToDouble(w[i]);
      args.y.As<T>()[row * c_out + o] = Rounded<T>(Activate(sum, args.activation));
    }
  }
}

template <class T>
void BackwardData(const PointwiseConvBackwardData::Args& args) {
  const std::int64_t c_in = args.geometry.c_in;
  const std::int64_t c_out = args.geometry.c_out;
  std::vector<double> sums(static_cast<std::size_t>(c_in));
  for (std::int64_t row = 0; row < args.dy.shape.rows(); ++row) {
    sums.assign(sums.size(), 0);
    for (std::int64_t o = 0; o < c_out; ++o) {
      const T* w = args.w.As<T>() + o * c_in;
      const double dy = ToDouble(args.dy.As<T>()[row * c_out + o]);
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += dy * ToDouble(w[i]);
    }
    T* dx = args.dx.As<T>() + row * c_in;
    for (std::size_t i = 0; i < sums.size(); ++i) dx[i] = Rounded<T>(sums[i]);
  }
}

template <class T>
void BackwardWeights(const PointwiseConvBackwardWeights::Args& args) {
  const std::int64_t c_in = args.geometry.c_in;
  const std::int64_t c_out = args.geometry.c_out;
  SumOf<T>* result = args.dw.As<SumOf<T>>();
  std::vector<double> dw(static_cast<std::size_t>(args.dw.elements()));
  if (args.accumulate) dw.assign(result, result + args.dw.elements());
  for (std::int64_t row = 0; row < args.x.shape.rows(); ++row) {
    const T* x = args.x.As<T>() + row * c_in;
    for (std::int64_t o = 0; o < c_out; ++o) {
      const double dy = ToDouble(args.dy.As<T>()[row * c_out + o]);
      double* sums = dw.data() + o * c_in;
      for (std::int64_t i = 0; i < c_in; ++i) sums[i] += dy * ToDouble(x[i]);
    }
  }
  for (std::size_t i = 0; i < dw.size(); ++i) result[i] = Rounded<SumOf<T>>(dw[i]);
}

}  // namespace

void RegisterPointwiseConvReference(KernelRegistry& registry) {
  RegisterReference<PointwiseConvForward>(
      registry, [](Context&, const PointwiseConvForward::Args& args) {
        CheckArguments(args);
        VisitStorage(args.x.dtype, [&](auto type) { Forward<decltype(type)>(args); });
      });
  RegisterReference<PointwiseConvBackwardData>(
      registry, [](Context&, const PointwiseConvBackwardData::Args& args) {
        CheckArguments(args);
        VisitStorage(args.dy.dtype, [&](auto type) { BackwardData<decltype(type)>(args); });
      });
  RegisterReference<PointwiseConvBackwardWeights>(
      registry, [](Context&, const PointwiseConvBackwardWeights::Args& args) {
        CheckArguments(args);
        VisitStorage(args.x.dtype, [&](auto type) { BackwardWeights<decltype(type)>(args); });
      });
}

}  // namespace nasengine
