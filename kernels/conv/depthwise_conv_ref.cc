// The reference of depthwise convolution: plain loops, sums in f64, tensors in f32, f64 or
// bf16.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv_check.h"
#include "kernels/conv/depthwise_taps.h"
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
void StoreRounded(const std::vector<double>& from, T* to) {
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = Rounded<T>(from[i]);
}

void Forward(Context&, const DepthwiseConvForward::Args& args) {
  CheckArguments(args);
  const std::int64_t c = args.geometry.c_in;
  VisitStorage(args.x.dtype, [&]<class T>(T) {
    const T* x = args.x.As<T>();
    const T* w = args.w.As<T>();
    std::vector<double> y(static_cast<std::size_t>(args.y.elements()));
    if (!args.bias.empty()) {
      const auto* bias = args.bias.As<SumOf<T>>();
      for (std::size_t i = 0; i < y.size(); ++i) y[i] = bias[i % static_cast<std::size_t>(c)];
    }
    ForEachTap(args.geometry, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
      for (std::int64_t i = 0; i < c; ++i) {
        y[static_cast<std::size_t>(out + i)] += ToDouble(x[in + i]) * ToDouble(w[tap + i]);
      }
    });
    for (double& value : y) value = Activate(value, args.activation);
    StoreRounded(y, args.y.As<T>());
  });
}

void BackwardData(Context&, const DepthwiseConvBackwardData::Args& args) {
  CheckArguments(args);
  VisitStorage(args.dy.dtype, [&]<class T>(T) {
    const T* dy = args.dy.As<T>();
    const T* w = args.w.As<T>();
    std::vector<double> dx(static_cast<std::size_t>(args.dx.elements()));
    ForEachTap(args.geometry, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
      for (std::int64_t i = 0; i < args.geometry.c_in; ++i) {
        dx[static_cast<std::size_t>(in + i)] += ToDouble(dy[out + i]) * ToDouble(w[tap + i]);
      }
    });
    StoreRounded(dx, args.dx.As<T>());
  });
}

void BackwardWeights(Context&, const DepthwiseConvBackwardWeights::Args& args) {
  CheckArguments(args);
  VisitStorage(args.x.dtype, [&]<class T>(T) {
    const T* x = args.x.As<T>();
    const T* dy = args.dy.As<T>();
    auto* result = args.dw.As<SumOf<T>>();
    std::vector<double> dw(static_cast<std::size_t>(args.dw.elements()));
    if (args.accumulate) dw.assign(result, result + args.dw.elements());
    ForEachTap(args.geometry, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
      for (std::int64_t i = 0; i < args.geometry.c_in; ++i) {
        dw[static_cast<std::size_t>(tap + i)] += ToDouble(x[in + i]) * ToDouble(dy[out + i]);
      }
    });
    StoreRounded(dw, result);
  });
}

}  // namespace

void RegisterDepthwiseConvReference(KernelRegistry& registry) {
  RegisterReference<DepthwiseConvForward>(registry, Forward);
  RegisterReference<DepthwiseConvBackwardData>(registry, BackwardData);
  RegisterReference<DepthwiseConvBackwardWeights>(registry, BackwardWeights);
}

}  // namespace nasengine
