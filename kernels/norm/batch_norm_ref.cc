// The reference of batch normalisation: plain loops, sums in f64, tensors in f32 or f64.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>

#include "kernels/core/float_kernel.h"
#include "kernels/norm/batch_norm_check.h"

namespace nasengine {
namespace {

// Written so that a NaN stays one.
template <class T>
T Activate(T value, Activation activation) {
  if (activation == Activation::kNone) return value;
  if (value < 0) return 0;
  return activation == Activation::kRelu6 && value > 6 ? T{6} : value;
}

template <class T>
void NormaliseChannel(ConstView x, std::int64_t channel, T mean, T inv_std, T gamma, T beta,
                      Activation activation, View y) {
  for (std::int64_t i = channel; i < x.elements(); i += x.shape.back()) {
    const T value = BatchNormValue(x.As<T>()[i], mean, inv_std, gamma, beta);
    y.As<T>()[i] = Activate(value, activation);
  }
}

template <class T>
void UpdateRunning(const BatchNormForward::Args& args, std::int64_t channel, double mean,
                   double unbiased_variance) {
  const auto blend = [&](View running, double batch) {
    if (running.empty()) return;
    T& value = running.As<T>()[channel];
    value = static_cast<T>((1 - double{args.momentum}) * value + double{args.momentum} * batch);
  };
  blend(args.running_mean, mean);
  blend(args.running_var, unbiased_variance);
}

template <class T>
void Forward(const BatchNormForward::Args& args) {
  const std::int64_t c = args.x.shape.back();
  const std::int64_t rows = args.x.shape.rows();
  const double count = static_cast<double>(std::max<std::int64_t>(1, rows));
  const T* x = args.x.As<T>();
  for (std::int64_t channel = 0; channel < c; ++channel) {
    double sum = 0;
    for (std::int64_t row = 0; row < rows; ++row) sum += double{x[row * c + channel]};
    const double mean = sum / count;
    double squares = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      const double distance = double{x[row * c + channel]} - mean;
      squares += distance * distance;
    }
    const double inv_std = 1 / std::sqrt(squares / count + double{args.epsilon});
    args.mean.As<T>()[channel] = static_cast<T>(mean);
    args.inv_std.As<T>()[channel] = static_cast<T>(inv_std);
    if (rows > 0) UpdateRunning<T>(args, channel, mean, squares / std::max(1.0, count - 1));
    NormaliseChannel(args.x, channel, static_cast<T>(mean), static_cast<T>(inv_std),
                     args.gamma.As<T>()[channel], args.beta.As<T>()[channel], args.activation,
                     args.y);
  }
}

template <class T>
void Inference(const BatchNormInference::Args& args) {
  for (std::int64_t channel = 0; channel < args.x.shape.back(); ++channel) {
    const double inv_std = 1 / std::sqrt(double{args.var.As<T>()[channel]} + double{args.epsilon});
    NormaliseChannel(args.x, channel, args.mean.As<T>()[channel], static_cast<T>(inv_std),
                     args.gamma.As<T>()[channel], args.beta.As<T>()[channel], args.activation,
                     args.y);
  }
}

template <class T>
void BackwardChannel(const BatchNormBackward::Args& args, std::int64_t channel) {
  const std::int64_t c = args.x.shape.back();
  const std::int64_t rows = args.x.shape.rows();
  const T mean = args.mean.As<T>()[channel], inv_std = args.inv_std.As<T>()[channel];
  const T gamma = args.gamma.As<T>()[channel], beta = args.beta.As<T>()[channel];
  const T* x = args.x.As<T>();
  const auto gradient = [&](std::int64_t i) {
    const T value = BatchNormValue(x[i], mean, inv_std, gamma, beta);
    return PassesGradient(value, args.activation) ? double{args.dy.As<T>()[i]} : 0.0;
  };
  const auto normalised = [&](std::int64_t i) {
    return (double{x[i]} - double{mean}) * double{inv_std};
  };
  double sum = 0, projection = 0;
  for (std::int64_t i = channel; i < rows * c; i += c) {
    sum += gradient(i);
    projection += gradient(i) * normalised(i);
  }
  const double count = static_cast<double>(std::max<std::int64_t>(1, rows));
  for (std::int64_t i = channel; i < rows * c; i += c) {
    const double centred = gradient(i) - sum / count - normalised(i) * projection / count;
    args.dx.As<T>()[i] = static_cast<T>(double{gamma} * double{inv_std} * centred);
  }
  const auto store = [&](View to, double value) {
    if (to.empty()) return;
    const double before = args.accumulate ? double{to.As<T>()[channel]} : 0.0;
    to.As<T>()[channel] = static_cast<T>(before + value);
  };
  store(args.dgamma, projection);
  store(args.dbeta, sum);
}

template <class Op, void (*kF32)(const typename Op::Args&), void (*kF64)(const typename Op::Args&)>
void Run(Context&, const typename Op::Args& args) {
  CheckArguments(args);
  args.x.dtype == DType::kF64 ? kF64(args) : kF32(args);
}

template <class T>
void Backward(const BatchNormBackward::Args& args) {
  for (std::int64_t channel = 0; channel < args.x.shape.back(); ++channel) {
    BackwardChannel<T>(args, channel);
  }
}

}  // namespace

void RegisterBatchNormReference(KernelRegistry& registry) {
  RegisterReference<BatchNormForward>(registry,
                                      Run<BatchNormForward, Forward<float>, Forward<double>>);
  RegisterReference<BatchNormInference>(
      registry, Run<BatchNormInference, Inference<float>, Inference<double>>);
  RegisterReference<BatchNormBackward>(registry,
                                       Run<BatchNormBackward, Backward<float>, Backward<double>>);
}

}  // namespace nasengine
