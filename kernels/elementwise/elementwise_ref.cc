// The elementwise operators written plainly, f64 inside: the truth that other implementations are
// held against.
// SPDX-License-Identifier: MIT
#include <cstdint>

#include "kernels/core/bfloat16.h"
#include "kernels/core/float_kernel.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/elementwise_check.h"

namespace nasengine {
namespace {

void AddReference(Context&, const Add::Args& args) {
  CheckArgs(args);
  VisitStorage(args.a.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < args.a.elements(); ++i) {
      args.y.As<T>()[i] = Rounded<T>(ToDouble(args.a.As<T>()[i]) + ToDouble(args.b.As<T>()[i]));
    }
  });
}

void AxpyReference(Context&, const Axpy::Args& args) {
  CheckArgs(args);
  VisitStorage(args.x.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < args.x.elements(); ++i) {
      T& y = args.y.As<T>()[i];
      y = Rounded<T>(ToDouble(y) + double{args.alpha} * ToDouble(args.x.As<T>()[i]));
    }
  });
}

void ScaleReference(Context&, const Scale::Args& args) {
  CheckArgs(args);
  VisitStorage(args.x.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < args.x.elements(); ++i) {
      const double product = double{args.alpha} * ToDouble(args.x.As<T>()[i]);
      args.y.As<T>()[i] = Rounded<T>(args.alpha == 0 ? 0 : product);
    }
  });
}

void InnerProductReference(Context&, const InnerProduct::Args& args) {
  CheckArgs(args);
  VisitStorage(args.a.dtype, [&]<class T>(T) {
    double sum = 0;
    for (std::int64_t i = 0; i < args.a.elements(); ++i) {
      sum += ToDouble(args.a.As<T>()[i]) * ToDouble(args.b.As<T>()[i]);
    }
    *args.result.As<SumOf<T>>() = static_cast<SumOf<T>>(sum);
  });
}

void CastReference(Context&, const Cast::Args& args) {
  CheckArgs(args);
  for (std::int64_t i = 0; i < args.x.elements(); ++i) {
    if (args.y.dtype == DType::kBf16) {
      args.y.As<BFloat16>()[i] = Narrow(args.x.As<float>()[i]);
    } else {
      args.y.As<float>()[i] = Widen(args.x.As<BFloat16>()[i]);
    }
  }
}

void DropoutReference(Context&, const Dropout::Args& args) {
  CheckArgs(args);
  const double kept_scale = KeptScale(args.rate);
  VisitStorage(args.x.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < args.x.elements(); ++i) {
      const bool kept = args.rng.Uniform(args.step, static_cast<std::uint64_t>(i)) >= args.rate;
      args.y.As<T>()[i] = Rounded<T>(kept ? ToDouble(args.x.As<T>()[i]) * kept_scale : 0);
    }
  });
}

}  // namespace

void RegisterElementwiseReference(KernelRegistry& registry) {
  RegisterReference<Add>(registry, AddReference);
  RegisterReference<Axpy>(registry, AxpyReference);
  RegisterReference<Scale>(registry, ScaleReference);
  RegisterReference<InnerProduct>(registry, InnerProductReference);
  RegisterReference<Cast>(registry, CastReference);
  RegisterReference<Dropout>(registry, DropoutReference);
}

}  // namespace nasengine
