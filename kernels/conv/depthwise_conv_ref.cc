// The reference of depthwise convolution: plain loops, sums in f64, tensors in f32 or f64.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv_check.h"
#include "kernels/conv/depthwise_taps.h"
#include "kernels/core/kernel_registry.h"

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
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<T>(from[i]);
}

template <class T>
void Forward(const DepthwiseConvForward::Args& args) {
  const std::int64_t c = args.geometry.c_in;
  const T* x = args.x.As<T>();
  const T* w = args.w.As<T>();
  std::vector<double> y(static_cast<std::size_t>(args.y.elements()));
  if (!args.bias.empty()) {
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = args.bias.As<T>()[i % static_cast<std::size_t>(c)];
    }
  }
  ForEachTap(args.geometry, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
    for (std::int64_t i = 0; i < c; ++i) {
      y[static_cast<std::size_t>(out + i)] += double{x[in + i]} * double{w[tap + i]};
    }
  });
  for (double& value : y) value = Activate(value, args.activation);
  StoreRounded(y, args.y.As<T>());
}

template <class T>
void BackwardData(const DepthwiseConvBackwardData::Args& args) {
  const T* dy = args.dy.As<T>();
  const T* w = args.w.As<T>();
  std::vector<double> dx(static_cast<std::size_t>(args.dx.elements()));
  ForEachTap(args.geometry, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
    for (std::int64_t i = 0; i < args.geometry.c_in; ++i) {
      dx[static_cast<std::size_t>(in + i)] += double{dy[out + i]} * double{w[tap + i]};
    }
  });
  StoreRounded(dx, args.dx.As<T>());
}

template <class T>
void BackwardWeights(const DepthwiseConvBackwardWeights::Args& args) {
  const T* x = args.x.As<T>();
  const T* dy = args.dy.As<T>();
  std::vector<double> dw(static_cast<std::size_t>(args.dw.elements()));
  if (args.accumulate) dw.assign(args.dw.As<T>(), args.dw.As<T>() + args.dw.elements());
  ForEachTap(args.geometry, [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
    for (std::int64_t i = 0; i < args.geometry.c_in; ++i) {
      dw[static_cast<std::size_t>(tap + i)] += double{x[in + i]} * double{dy[out + i]};
    }
  });
  StoreRounded(dw, args.dw.As<T>());
}

template <class Op, void (*kF32)(const typename Op::Args&), void (*kF64)(const typename Op::Args&)>
void RegisterReference(KernelRegistry& registry, DType (*type_of)(const typename Op::Args&)) {
  registry.Register(KernelEntry<Op>{
      .impl = Impl::kReference,
      .name = "reference",
      .declines = nullptr,
      .workspace_bytes = nullptr,
      .run =
          [type_of](Context&, const typename Op::Args& args) {
            CheckArguments(args);
            type_of(args) == DType::kF64 ? kF64(args) : kF32(args);
          },
  });
}

}  // namespace

void RegisterDepthwiseConvReference(KernelRegistry& registry) {
  RegisterReference<DepthwiseConvForward, Forward<float>, Forward<double>>(
      registry, [](const DepthwiseConvForward::Args& args) { return args.x.dtype; });
  RegisterReference<DepthwiseConvBackwardData, BackwardData<float>, BackwardData<double>>(
      registry, [](const DepthwiseConvBackwardData::Args& args) { return args.dy.dtype; });
  RegisterReference<DepthwiseConvBackwardWeights, BackwardWeights<float>, BackwardWeights<double>>(
      registry, [](const DepthwiseConvBackwardWeights::Args& args) { return args.x.dtype; });
}

}  // namespace nasengine
