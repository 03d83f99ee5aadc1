// The reference of dense convolution: plain loops, sums in f64, tensors in f32, bf16 or f64.
// SPDX-License-Identifier: MIT
#include <algorithm>
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

// Calls visit(output pixel, input pixel, tap) for every tap of every output pixel whose input lies
// inside the image; the three count pixels and taps, not elements.
template <class Visit>
void ForEachTap(const ConvGeometry& g, const Visit& visit) {
  for (std::int64_t pixel = 0; pixel < g.n * g.out_h() * g.out_w(); ++pixel) {
    const std::int64_t ow = pixel % g.out_w();
    const std::int64_t oh = pixel / g.out_w() % g.out_h();
    const std::int64_t n = pixel / g.out_w() / g.out_h();
    for (std::int64_t kh = 0; kh < g.kernel; ++kh) {
      const std::int64_t ih = oh * g.stride - g.pad + kh;
      if (ih < 0 || ih >= g.h) continue;
      for (std::int64_t kw = 0; kw < g.kernel; ++kw) {
        const std::int64_t iw = ow * g.stride - g.pad + kw;
        if (iw < 0 || iw >= g.w) continue;
        visit(pixel, (n * g.h + ih) * g.w + iw, kh * g.kernel + kw);
      }
    }
  }
}

// Where w(o, tap, 0) lies.
std::int64_t WeightIndex(const ConvGeometry& g, std::int64_t o, std::int64_t tap) {
  return (o * g.kernel * g.kernel + tap) * g.c_in;
}

template <class T>
void Forward(const Conv2dForward::Args& args) {
  const ConvGeometry& g = args.geometry;
  std::vector<double> y(static_cast<std::size_t>(args.y.elements()));
  ForEachTap(g, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
    const T* x = args.x.As<T>() + in * g.c_in;
    for (std::int64_t o = 0; o < g.c_out; ++o) {
      const T* w = args.w.As<T>() + WeightIndex(g, o, tap);
      double sum = 0;
      for (std::int64_t i = 0; i < g.c_in; ++i) sum += ToDouble(x[i]) * ToDouble(w[i]);
      y[static_cast<std::size_t>(out * g.c_out + o)] += sum;
    }
  });
  for (std::int64_t i = 0; i < args.y.elements(); ++i) {
    const double bias = args.bias.empty() ? 0 : ToDouble(args.bias.As<SumOf<T>>()[i % g.c_out]);
    args.y.As<T>()[i] =
        Rounded<T>(Activate(y[static_cast<std::size_t>(i)] + bias, args.activation));
  }
}

template <class T>
void BackwardData(const Conv2dBackwardData::Args& args) {
  const ConvGeometry& g = args.geometry;
  std::vector<double> dx(static_cast<std::size_t>(args.dx.elements()));
  ForEachTap(g, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
    double* row = dx.data() + in * g.c_in;
    for (std::int64_t o = 0; o < g.c_out; ++o) {
      const T* w = args.w.As<T>() + WeightIndex(g, o, tap);
      const double dy = ToDouble(args.dy.As<T>()[out * g.c_out + o]);
      for (std::int64_t i = 0; i < g.c_in; ++i) row[i] += dy * ToDouble(w[i]);
    }
  });
  std::transform(dx.begin(), dx.end(), args.dx.As<T>(), Rounded<T>);
}

template <class T>
void BackwardWeights(const Conv2dBackwardWeights::Args& args) {
  const ConvGeometry& g = args.geometry;
  SumOf<T>* result = args.dw.As<SumOf<T>>();
  std::vector<double> dw(static_cast<std::size_t>(args.dw.elements()));
  if (args.accumulate) dw.assign(result, result + args.dw.elements());
  ForEachTap(g, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
    const T* x = args.x.As<T>() + in * g.c_in;
    for (std::int64_t o = 0; o < g.c_out; ++o) {
      double* row = dw.data() + WeightIndex(g, o, tap);
      const double dy = ToDouble(args.dy.As<T>()[out * g.c_out + o]);
      for (std::int64_t i = 0; i < g.c_in; ++i) row[i] += dy * ToDouble(x[i]);
    }
  });
  std::transform(dw.begin(), dw.end(), result, Rounded<SumOf<T>>);
}

}  // namespace

void RegisterConv2dReference(KernelRegistry& registry) {
  RegisterReference<Conv2dForward>(registry, [](Context&, const Conv2dForward::Args& args) {
    CheckArguments(args);
    VisitStorage(args.x.dtype, [&](auto type) { Forward<decltype(type)>(args); });
  });
  RegisterReference<Conv2dBackwardData>(
      registry, [](Context&, const Conv2dBackwardData::Args& args) {
        CheckArguments(args);
        VisitStorage(args.dy.dtype, [&](auto type) { BackwardData<decltype(type)>(args); });
      });
  RegisterReference<Conv2dBackwardWeights>(
      registry, [](Context&, const Conv2dBackwardWeights::Args& args) {
        CheckArguments(args);
        VisitStorage(args.x.dtype, [&](auto type) { BackwardWeights<decltype(type)>(args); });
      });
}

}  // namespace nasengine
