// The reference of the linear layer: plain loops, sums in f64, tensors in f32, bf16 or f64.
// SPDX-License-Identifier: MIT
#include <vector>

#include "kernels/core/bfloat16.h"
#include "kernels/core/float_kernel.h"
#include "kernels/linear/linear_check.h"

namespace nasengine {
namespace {

template <class T>
void Forward(const LinearForward::Args& args) {
  const std::int64_t in = args.x.shape[1];
  const std::int64_t out = args.w.shape[0];
  for (std::int64_t row = 0; row < args.x.shape[0]; ++row) {
    const T* x = args.x.As<T>() + row * in;
    for (std::int64_t o = 0; o < out; ++o) {
      const T* w = args.w.As<T>() + o * in;
      double sum = args.bias.empty() ? 0 : ToDouble(args.bias.As<SumOf<T>>()[o]);
      for (std::int64_t i = 0; i < in; ++i) sum += ToDouble(x[i]) * ToDouble(w[i]);
      args.y.As<SumOf<T>>()[row * out + o] = Rounded<SumOf<T>>(sum);
    }
  }
}

template <class T>
void BackwardData(const LinearBackwardData::Args& args) {
  const std::int64_t in = args.w.shape[1];
  const std::int64_t out = args.w.shape[0];
  std::vector<double> sums(static_cast<std::size_t>(in));
  for (std::int64_t row = 0; row < args.dy.shape[0]; ++row) {
    sums.assign(sums.size(), 0);
    for (std::int64_t o = 0; o < out; ++o) {
      const T* w = args.w.As<T>() + o * in;
      const double dy = ToDouble(args.dy.As<T>()[row * out + o]);
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += dy * ToDouble(w[i]);
    }
    T* dx = args.dx.As<T>() + row * in;
    for (std::size_t i = 0; i < sums.size(); ++i) dx[i] = Rounded<T>(sums[i]);
  }
}

template <class T>
void BackwardWeights(const LinearBackwardWeights::Args& args) {
  const std::int64_t rows = args.x.shape[0];
  const std::int64_t in = args.x.shape[1];
  const std::int64_t out = args.dy.shape[1];
  const T* dy = args.dy.As<T>();
  for (std::int64_t o = 0; o < out; ++o) {
    SumOf<T>* dw = args.dw.As<SumOf<T>>() + o * in;
    for (std::int64_t i = 0; i < in; ++i) {
      double sum = args.accumulate ? double{dw[i]} : 0;
      for (std::int64_t row = 0; row < rows; ++row) {
        sum += ToDouble(dy[row * out + o]) * ToDouble(args.x.As<T>()[row * in + i]);
      }
      dw[i] = Rounded<SumOf<T>>(sum);
    }
    if (args.dbias.empty()) continue;
    SumOf<T>& dbias = args.dbias.As<SumOf<T>>()[o];
    double sum = args.accumulate ? double{dbias} : 0;
    for (std::int64_t row = 0; row < rows; ++row) sum += ToDouble(dy[row * out + o]);
    dbias = Rounded<SumOf<T>>(sum);
  }
}

}  // namespace

void RegisterLinearReference(KernelRegistry& registry) {
  RegisterReference<LinearForward>(registry, [](Context&, const LinearForward::Args& args) {
    CheckArguments(args);
    VisitStorage(args.x.dtype, [&](auto type) { Forward<decltype(type)>(args); });
  });
  RegisterReference<LinearBackwardData>(
      registry, [](Context&, const LinearBackwardData::Args& args) {
        CheckArguments(args);
        VisitStorage(args.dy.dtype, [&](auto type) { BackwardData<decltype(type)>(args); });
      });
  RegisterReference<LinearBackwardWeights>(
      registry, [](Context&, const LinearBackwardWeights::Args& args) {
        CheckArguments(args);
        VisitStorage(args.x.dtype, [&](auto type) { BackwardWeights<decltype(type)>(args); });
      });
}

}  // namespace nasengine
