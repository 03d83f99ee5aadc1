// Softmax cross-entropy with rows spread over threads and exponentials in f32. Plain C++: a batch
// of logits is small beside any layer.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/core/float_kernel.h"
#include "kernels/core/parallel.h"
#include "kernels/loss/softmax_cross_entropy.h"
#include "kernels/loss/softmax_cross_entropy_check.h"

namespace nasengine {
namespace {

// An exponential costs about as much as this many additions.
constexpr std::int64_t kExpCost = 8;

// The row's loss; writes (p - t) / n to `dlogits` unless that is null.
double LossOfRow(const float* row, std::int64_t classes, std::int64_t label, double smoothing,
                 double n, float* dlogits) {
  const float largest = *std::max_element(row, row + classes);
  double exponentials = 0;
  double shifted = 0;
  for (std::int64_t k = 0; k < classes; ++k) {
    const float difference = row[k] - largest;
    const float exponential = std::exp(difference);
    exponentials += exponential;
    shifted += difference;
    if (dlogits != nullptr) dlogits[k] = exponential;
  }
  const double spread = smoothing / static_cast<double>(classes);
  if (dlogits != nullptr) {
    const double factor = 1 / (exponentials * n);
    for (std::int64_t k = 0; k < classes; ++k) {
      dlogits[k] = static_cast<float>(dlogits[k] * factor - spread / n);
    }
    const double target = 1 - smoothing + spread;
    dlogits[label] =
        static_cast<float>(std::exp(double{row[label]} - largest) * factor - target / n);
  }
  const double own = (1 - smoothing) * (double{row[label]} - largest);
  return std::log(exponentials) - own - (smoothing > 0 ? spread * shifted : 0);
}

std::int32_t RankOf(const float* row, std::int64_t classes, std::int64_t label) {
  const float own = row[label];
  std::int32_t before = 0;
  for (std::int64_t k = 0; k < label; ++k) before += row[k] >= own;
  for (std::int64_t k = label + 1; k < classes; ++k) before += row[k] > own;
  return before;
}

std::size_t WorkspaceBytes(Context&, const SoftmaxCrossEntropy::Args& args) {
  return static_cast<std::size_t>(args.logits.shape.rows()) * sizeof(double);
}

void Run(Context& context, const SoftmaxCrossEntropy::Args& args) {
  CheckArgs(args);
  const std::int64_t n = args.logits.shape[0];
  const std::int64_t classes = args.logits.shape[1];
  const float* logits = args.logits.As<float>();
  const auto* labels = args.labels.As<std::int32_t>();
  float* dlogits = args.dlogits.empty() ? nullptr : args.dlogits.As<float>();
  auto* row_losses = static_cast<double*>(context.Workspace(WorkspaceBytes(context, args)));
  ForEachChunk(context, n, classes * kExpCost, [&](const Chunk& chunk) {
    for (std::int64_t i = chunk.begin; i < chunk.end; ++i) {
      const float* row = logits + i * classes;
      row_losses[i] = LossOfRow(row, classes, labels[i], args.smoothing, static_cast<double>(n),
                                dlogits == nullptr ? nullptr : dlogits + i * classes);
      if (!args.rank.empty()) args.rank.As<std::int32_t>()[i] = RankOf(row, classes, labels[i]);
    }
  });
  double loss = 0;
  for (std::int64_t i = 0; i < n; ++i) loss += row_losses[i];
  *args.loss.As<float>() = static_cast<float>(loss / static_cast<double>(n));
}

}  // namespace

void RegisterSoftmaxCrossEntropyCpu(KernelRegistry& registry) {
  RegisterOurs<SoftmaxCrossEntropy>(registry, "cpu", Run, WorkspaceBytes);
}

}  // namespace nasengine
