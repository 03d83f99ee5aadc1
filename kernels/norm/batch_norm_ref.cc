// The reference of batch normalisation: plain loops, sums in f64, tensors in f32, bf16 or f64.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>

#include "kernels/core/bfloat16.h"
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

// A stored element in the type that values are computed in.
template <class T>
SumOf<T> Widened(T stored) {
  return static_cast<SumOf<T>>(ToDouble(stored));
}

template <class T>
void NormaliseChannel(ConstView x, std::int64_t channel, SumOf<T> mean, SumOf<T> inv_std,
                      SumOf<T> gamma, SumOf<T> beta, Activation activation, View y) {
  for (std::int64_t i = channel; i < x.elements(); i += x.shape.back()) {
    const SumOf<T> value = BatchNormValue(Widened(x.As<T>()[i]), mean, inv_std, gamma, beta);
    y.As<T>()[i] = Rounded<T>(Activate(value, activation));
  }
}

template <class T>
void UpdateRunning(const BatchNormForward::Args& args, std::int64_t channel, double mean,
                   double unbiased_variance) {
  const auto blend = [&](View running, double batch) {
    if (running.empty()) return;
    SumOf<T>& value = running.As<SumOf<T>>()[channel];
    value =
        static_cast<SumOf<T>>((1 - double{args.momentum}) * value + double{args.momentum} * batch);
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
    for (std::int64_t row = 0; row < rows; ++row) sum += ToDouble(x[row * c + channel]);
    const double mean = sum / count;
    double squares = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      const double distance = ToDouble(x[row * c + channel]) - mean;
      squares += distance * distance;
    }
    const double inv_std = 1 / std::sqrt(squares / count + double{args.epsilon});
    args.mean.As<SumOf<T>>()[channel] = static_cast<SumOf<T>>(mean);
    args.inv_std.As<SumOf<T>>()[channel] = static_cast<SumOf<T>>(inv_std);
    if (rows > 0) UpdateRunning<T>(args, channel, mean, squares / std::max(1.0, count - 1));
    NormaliseChannel<T>(args.x, channel, static_cast<SumOf<T>>(mean),
                        static_cast<SumOf<T>>(inv_std), args.gamma.As<SumOf<T>>()[channel],
                        args.beta.As<SumOf<T>>()[channel], args.activation, args.y);
  }
}

template <class T>
void Inference(const BatchNormInference::Args& args) {
  for (std::int64_t channel = 0; channel < args.x.shape.back(); ++channel) {
    const double inv_std =
        1 / std::sqrt(double{args.var.As<SumOf<T>>()[channel]} + double{args.epsilon});
    NormaliseChannel<T>(args.x, channel, args.mean.As<SumOf<T>>()[channel],
                        static_cast<SumOf<T>>(inv_std), args.gamma.As<SumOf<T>>()[channel],
                        args.beta.As<SumOf<T>>()[channel], args.activation, args.y);
  }
}

template <class T>
void BackwardChannel(const BatchNormBackward::Args& args, std::int64_t channel) {
  const std::int64_t c = args.x.shape.back();
  const std::int64_t rows = args.x.shape.rows();
  const auto of_channel = [channel](ConstView view) { return view.As<SumOf<T>>()[channel]; };
  const SumOf<T> mean = of_channel(args.mean), inv_std = of_channel(args.inv_std);
  const SumOf<T> gamma = of_channel(args.gamma), beta = of_channel(args.beta);
  const T* x = args.x.As<T>();
  const auto gradient = [&](std::int64_t i) {
    const SumOf<T> value = BatchNormValue(Widened(x[i]), mean, inv_std, gamma, beta);
    return PassesGradient(value, args.activation) ? ToDouble(args.dy.As<T>()[i]) : 0.0;
  };
  const auto normalised = [&](std::int64_t i) {
    return (ToDouble(x[i]) - double{mean}) * double{inv_std};
  };
  double sum = 0, projection = 0;
  for (std::int64_t i = channel; i < rows * c; i += c) {
    sum += gradient(i);
    projection += gradient(i) * normalised(i);
  }
  const double count = static_cast<double>(std::max<std::int64_t>(1, rows));
  for (std::int64_t i = channel; i < rows * c; i += c) {
    const double centred = gradient(i) - sum / count - normalised(i) * projection / count;
    args.dx.As<T>()[i] = Rounded<T>(double{gamma} * double{inv_std} * centred);
  }
  const auto store = [&](View to, double value) {
    if (to.empty()) return;
    SumOf<T>& stored = to.As<SumOf<T>>()[channel];
    stored = static_cast<SumOf<T>>((args.accumulate ? double{stored} : 0.0) + value);
  };
  store(args.dgamma, projection);
  store(args.dbeta, sum);
}

template <class T>
void Backward(const BatchNormBackward::Args& args) {
  for (std::int64_t channel = 0; channel < args.x.shape.back(); ++channel) {
    BackwardChannel<T>(args, channel);
  }
}

}  // namespace

void RegisterBatchNormReference(KernelRegistry& registry) {
  RegisterReference<BatchNormForward>(registry, [](Context&, const BatchNormForward::Args& args) {
    CheckArguments(args);
    VisitStorage(args.x.dtype, [&](auto type) { Forward<decltype(type)>(args); });
  });
  RegisterReference<BatchNormInference>(
      registry, [](Context&, const BatchNormInference::Args& args) {
        CheckArguments(args);
        VisitStorage(args.x.dtype, [&](auto type) { Inference<decltype(type)>(args); });
      });
  RegisterReference<BatchNormBackward>(registry, [](Context&, const BatchNormBackward::Args& args) {
    CheckArguments(args);
    VisitStorage(args.x.dtype, [&](auto type) { Backward<decltype(type)>(args); });
  });
}

}  // namespace nasengine
