// SPDX-License-Identifier: MIT
#include "kernels/elementwise/elementwise.h"

#include "kernels/core/error_scale.h"
#include "kernels/core/float_kernel.h"
#include "kernels/elementwise/elementwise_check.h"

namespace nasengine {

void CheckArgs(const Add::Args& args) {
  CheckStorage(Add::kName, "a", args.a);
  CheckView(Add::kName, "b", args.b, args.a.shape, args.a.dtype);
  CheckView(Add::kName, "y", args.y, args.a.shape, args.a.dtype);
}

void CheckArgs(const Axpy::Args& args) {
  CheckStorage(Axpy::kName, "x", args.x);
  CheckView(Axpy::kName, "y", args.y, args.x.shape, args.x.dtype);
}

void CheckArgs(const Scale::Args& args) {
  CheckStorage(Scale::kName, "x", args.x);
  CheckView(Scale::kName, "y", args.y, args.x.shape, args.x.dtype);
}

void CheckArgs(const InnerProduct::Args& args) {
  CheckStorage(InnerProduct::kName, "a", args.a);
  CheckView(InnerProduct::kName, "b", args.b, args.a.shape, args.a.dtype);
  NAS_CHECK(args.result.elements() == 1, InnerProduct::kName, ": result has ",
            args.result.elements(), " elements, expected 1");
  CheckView(InnerProduct::kName, "result", args.result, args.result.shape, SumType(args.a.dtype));
}

void CheckArgs(const Cast::Args& args) {
  const bool narrows = args.x.dtype == DType::kF32 && args.y.dtype == DType::kBf16;
  const bool widens = args.x.dtype == DType::kBf16 && args.y.dtype == DType::kF32;
  NAS_CHECK(narrows || widens, Cast::kName, ": found ", Name(args.x.dtype), " to ",
            Name(args.y.dtype), ", expected f32 to bf16 or bf16 to f32");
  CheckView(Cast::kName, "x", args.x, args.x.shape, args.x.dtype);
  CheckView(Cast::kName, "y", args.y, args.x.shape, args.y.dtype);
}

void CheckArgs(const Dropout::Args& args) {
  CheckStorage(Dropout::kName, "x", args.x);
  CheckView(Dropout::kName, "y", args.y, args.x.shape, args.x.dtype);
  NAS_CHECK(args.rate >= 0 && args.rate < 1, Dropout::kName, ": rate is ", args.rate,
            ", expected 0 or more and less than 1");
}

float KeptScale(float rate) { return static_cast<float>(1.0 / (1.0 - rate)); }

std::vector<View*> Add::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> Axpy::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> Scale::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> InnerProduct::Outputs(Args& args) { return {&args.result}; }
std::vector<View*> Cast::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> Dropout::Outputs(Args& args) { return {&args.y}; }

double Add::ErrorScale(const Args& args, int) {
  TermScale scale;
  for (std::int64_t i = 0; i < args.a.elements(); ++i) {
    scale.Element({ValueAt(args.a, i), ValueAt(args.b, i)});
  }
  return scale.value();
}

double Axpy::ErrorScale(const Args& args, int) {
  TermScale scale;
  for (std::int64_t i = 0; i < args.x.elements(); ++i) {
    scale.Element({args.alpha * ValueAt(args.x, i), ValueAt(args.y, i)});
  }
  return scale.value();
}

double Scale::ErrorScale(const Args& args, int) {
  TermScale scale;
  if (args.alpha == 0) return 0;
  for (std::int64_t i = 0; i < args.x.elements(); ++i) {
    scale.Element({args.alpha * ValueAt(args.x, i)});
  }
  return scale.value();
}

double InnerProduct::ErrorScale(const Args& args, int) {
  TermScale scale;
  for (std::int64_t i = 0; i < args.a.elements(); ++i) {
    scale.Add(ValueAt(args.a, i) * ValueAt(args.b, i));
  }
  scale.EndElement();
  return scale.value();
}

// One rounding, and which one is fixed.
double Cast::ErrorScale(const Args&, int) { return 0; }

double Dropout::ErrorScale(const Args& args, int) {
  TermScale scale;
  for (std::int64_t i = 0; i < args.x.elements(); ++i) {
    scale.Element({KeptScale(args.rate) * ValueAt(args.x, i)});
  }
  return scale.value();
}

}  // namespace nasengine
