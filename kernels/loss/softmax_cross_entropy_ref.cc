// Softmax cross-entropy written plainly, f64 inside: the truth that other implementations are held
// against.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/core/float_kernel.h"
#include "kernels/loss/softmax_cross_entropy.h"
#include "kernels/loss/softmax_cross_entropy_check.h"

namespace nasengine {
namespace {

template <class T>
double LogSumExp(const T* row, std::int64_t classes) {
  const double largest = *std::max_element(row, row + classes);
  double sum = 0;
  for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(row[k] - largest);
  return largest + std::log(sum);
}

template <class T>
std::int32_t RankOf(const T* row, std::int64_t classes, std::int64_t label) {
  std::int32_t before = 0;
  for (std::int64_t k = 0; k < classes; ++k) {
    before += row[k] > row[label] || (row[k] == row[label] && k < label);
  }
  return before;
}

void Run(Context&, const SoftmaxCrossEntropy::Args& args) {
  CheckArgs(args);
  const std::int64_t n = args.logits.shape[0];
  const std::int64_t classes = args.logits.shape[1];
  const double smoothing = args.smoothing;
  VisitFloat(args.logits.dtype, [&]<class T>(T) {
    double loss = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const T* row = args.logits.As<T>() + i * classes;
      const std::int64_t label = args.labels.As<std::int32_t>()[i];
      const double log_sum_exp = LogSumExp(row, classes);
      if (!args.rank.empty()) args.rank.As<std::int32_t>()[i] = RankOf(row, classes, label);
      for (std::int64_t k = 0; k < classes; ++k) {
        const double target =
            (k == label ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes);
        const double log_p = row[k] - log_sum_exp;
        // Not 0 * -inf where a class is impossible and not asked for.
        if (target > 0) loss -= target * log_p;
        if (!args.dlogits.empty()) {
          args.dlogits.As<T>()[i * classes + k] =
              static_cast<T>((std::exp(log_p) - target) / static_cast<double>(n));
        }
      }
    }
    *args.loss.As<T>() = static_cast<T>(loss / static_cast<double>(n));
  });
}

}  // namespace

void RegisterSoftmaxCrossEntropyReference(KernelRegistry& registry) {
  RegisterReference<SoftmaxCrossEntropy>(registry, Run);
}

}  // namespace nasengine
