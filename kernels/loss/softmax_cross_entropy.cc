// SPDX-License-Identifier: MIT
#include "kernels/loss/softmax_cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/core/error_scale.h"
#include "kernels/core/float_kernel.h"
#include "kernels/loss/softmax_cross_entropy_check.h"

namespace nasengine {

void CheckForms(const SoftmaxCrossEntropy::Args& args) {
  constexpr const char* kOp = SoftmaxCrossEntropy::kName;
  const Shape& shape = args.logits.shape;
  CheckFloat(kOp, "logits", args.logits);
  NAS_CHECK(shape.rank() == 2 && shape[0] >= 1 && shape[1] >= 1, kOp, ": logits are ",
            ToString(shape), ", expected (n, classes) with at least one of each");
  CheckView(kOp, "labels", args.labels, {shape[0]}, DType::kI32);
  NAS_CHECK(args.loss.elements() == 1, kOp, ": loss has ", args.loss.elements(),
            " elements, expected 1");
  CheckView(kOp, "loss", args.loss, args.loss.shape, args.logits.dtype);
  if (!args.dlogits.empty()) CheckView(kOp, "dlogits", args.dlogits, shape, args.logits.dtype);
  if (!args.rank.empty()) CheckView(kOp, "rank", args.rank, {shape[0]}, DType::kI32);
  NAS_CHECK(args.smoothing >= 0 && args.smoothing < 1, kOp, ": smoothing is ", args.smoothing,
            ", expected 0 or more and less than 1");
}

void CheckArgs(const SoftmaxCrossEntropy::Args& args) {
  CheckForms(args);
  const std::int64_t classes = args.logits.shape[1];
  for (std::int64_t i = 0; i < args.logits.shape[0]; ++i) {
    const std::int32_t label = args.labels.As<std::int32_t>()[i];
    NAS_CHECK(label >= 0 && label < classes, SoftmaxCrossEntropy::kName, ": label ", i, " is ",
              label, ", expected 0 to ", classes - 1);
  }
}

std::vector<View*> SoftmaxCrossEntropy::Outputs(Args& args) {
  return {&args.loss, &args.dlogits, &args.rank};
}

double SoftmaxCrossEntropy::ErrorScale(const Args& args, int output) {
  const std::int64_t classes = args.logits.shape[1];
  const auto n = static_cast<double>(args.logits.shape[0]);
  // dlogits: two terms, p / n and t / n, neither above 1 / n. Ranks are counted, not computed.
  if (output == 1) return std::sqrt(2.0) / n;
  if (output == 2) return 0;
  TermScale scale;
  for (std::int64_t i = 0; i < args.logits.shape[0]; ++i) {
    const float* row = args.logits.As<float>() + i * classes;
    const double largest = *std::max_element(row, row + classes);
    double exponentials = 0;
    double shifted = 0;
    for (std::int64_t k = 0; k < classes; ++k) {
      exponentials += std::exp(row[k] - largest);
      shifted += row[k] - largest;
    }
    scale.Add(std::log(exponentials) / n);
    scale.Add((1 - double{args.smoothing}) * (largest - row[args.labels.As<std::int32_t>()[i]]) /
              n);
    scale.Add(-double{args.smoothing} * shifted / static_cast<double>(classes) / n);
  }
  scale.EndElement();
  return scale.value();
}

}  // namespace nasengine
