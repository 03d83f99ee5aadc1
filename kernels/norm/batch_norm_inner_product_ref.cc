// What all implementations of a batch norm's inner product share, and its reference: one loop over
// the elements, in f64.
// SPDX-License-Identifier: MIT
#include "kernels/core/error_scale.h"
#include "kernels/core/float_kernel.h"
#include "kernels/norm/batch_norm_inner_product.h"

namespace nasengine {
namespace {

// Calls visit(dy * gamma * inv_std * (x - mean), dy * beta) for every element.
template <class Visit>
void ForEachPairOfTerms(const BatchNormInnerProduct::Args& args, const Visit& visit) {
  const std::int64_t c = args.x.shape.back();
  for (std::int64_t i = 0; i < args.x.elements(); ++i) {
    const std::int64_t channel = i % c;
    const double scale = ValueAt(args.gamma, channel) * ValueAt(args.inv_std, channel);
    const double dy = ValueAt(args.dy, i);
    visit(dy * scale * (ValueAt(args.x, i) - ValueAt(args.mean, channel)),
          dy * ValueAt(args.beta, channel));
  }
}

void Reference(Context&, const BatchNormInnerProduct::Args& args) {
  CheckArguments(args);
  double sum = 0;
  ForEachPairOfTerms(args, [&](double scaled, double shifted) { sum += scaled + shifted; });
  if (args.result.dtype == DType::kF64) {
    *args.result.As<double>() = sum;
  } else {
    *args.result.As<float>() = static_cast<float>(sum);
  }
}

}  // namespace

void CheckArguments(const BatchNormInnerProduct::Args& args) {
  const char* op = BatchNormInnerProduct::kName;
  const DType wide = SumType(args.x.dtype);
  CheckStorage(op, "x", args.x);
  CheckView(op, "dy", args.dy, args.x.shape, args.x.dtype);
  const Shape channels{args.x.shape.back()};
  CheckView(op, "gamma", args.gamma, channels, wide);
  CheckView(op, "beta", args.beta, channels, wide);
  CheckView(op, "mean", args.mean, channels, wide);
  CheckView(op, "inv_std", args.inv_std, channels, wide);
  CheckView(op, "result", args.result, {1}, wide);
}

std::vector<View*> BatchNormInnerProduct::Outputs(Args& args) { return {&args.result}; }

double BatchNormInnerProduct::ErrorScale(const Args& args, int /*output*/) {
  TermScale scale;
  ForEachPairOfTerms(args, [&](double scaled, double shifted) {
    scale.Add(scaled);
    scale.Add(shifted);
  });
  scale.EndElement();
  return scale.value();
}

void RegisterBatchNormInnerProductReference(KernelRegistry& registry) {
  RegisterReference<BatchNormInnerProduct>(registry, Reference);
}

}  // namespace nasengine
