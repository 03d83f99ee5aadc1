// Softmax cross-entropy as kernels for CUDA: rows first, then their mean.
// SPDX-License-Identifier: MIT
#include <cstddef>
#include <limits>

#include "kernels/core/float_kernel.h"
#include "kernels/cuda/launch.h"
#include "kernels/loss/softmax_cross_entropy_check.h"
#include "kernels/loss/softmax_cross_entropy_cuda.cuh"

namespace nasengine {
namespace {

std::size_t WorkspaceBytes(Context&, const SoftmaxCrossEntropy::Args& args) {
  return static_cast<std::size_t>(args.logits.shape.rows()) * sizeof(double);
}

void Run(Context& context, const SoftmaxCrossEntropy::Args& args) {
  CheckForms(args);
  const std::int64_t n = args.logits.shape[0];
  NAS_CHECK(n <= std::numeric_limits<int>::max(), SoftmaxCrossEntropy::kName, ": ", n,
            " rows are too many");
  auto* row_losses = static_cast<double*>(context.Workspace(WorkspaceBytes(context, args)));
  const cuda::LossArgs rows{
      .logits = args.logits.As<float>(),
      .labels = args.labels.As<std::int32_t>(),
      .classes = args.logits.shape[1],
      .smoothing = args.smoothing,
      .row_losses = row_losses,
      .dlogits = args.dlogits.empty() ? nullptr : args.dlogits.As<float>(),
      .rank = args.rank.empty() ? nullptr : args.rank.As<std::int32_t>(),
  };
  cuda::Launch(context, SoftmaxCrossEntropy::kName, &cuda::LossOfRows<cuda::kLossThreads>,
               {.grid = dim3(static_cast<unsigned>(n)), .block = dim3(cuda::kLossThreads)}, rows);
  cuda::Launch(context, SoftmaxCrossEntropy::kName, &cuda::SumPartials<float>,
               {.grid = dim3(1), .block = dim3(cuda::kSumThreads)}, row_losses, n,
               1 / static_cast<double>(n), args.loss.As<float>());
}

}  // namespace

void RegisterSoftmaxCrossEntropyCuda(KernelRegistry& registry) {
  RegisterOurs<SoftmaxCrossEntropy>(registry, "cuda", Run, WorkspaceBytes, DeviceType::kCuda);
}

}  // namespace nasengine
