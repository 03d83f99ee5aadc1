// The fully connected layer on CUDA by matrix products of ours.
// SPDX-License-Identifier: MIT
#include "kernels/conv/matrix_product_cuda.h"
#include "kernels/core/float_kernel.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/sum_parts.h"
#include "kernels/cuda/with_storage.h"
#include "kernels/linear/linear_check.h"
#include "kernels/linear/linear_cuda.cuh"

namespace nasengine {
namespace {

using cuda::DivideUp;

void Forward(Context& context, const LinearForward::Args& args) {
  CheckArguments(args);
  cuda::LayerForward(context, LinearForward::kName,
                     {.rows = args.x.shape[0], .in = args.x.shape[1], .out = args.w.shape[0]},
                     args.x, args.w, args.bias, Activation::kNone, args.y);
}

void BackwardData(Context& context, const LinearBackwardData::Args& args) {
  CheckArguments(args);
  cuda::LayerBackwardData(context, LinearBackwardData::kName,
                          {.rows = args.dy.shape[0], .in = args.w.shape[1], .out = args.w.shape[0]},
                          args.dy, args.w, args.dx);
}

cuda::LayerSizes SizesOf(const LinearBackwardWeights::Args& args) {
  return {.rows = args.x.shape[0], .in = args.x.shape[1], .out = args.dy.shape[1]};
}

// Sums of dw's blocks, then those of dbias's once they have been added up.
std::size_t BackwardWeightsBytes(Context& context, const LinearBackwardWeights::Args& args) {
  const cuda::LayerSizes sizes = SizesOf(args);
  const std::int64_t blocks = args.dbias.empty() ? 0 : DivideUp(sizes.rows, cuda::kSumRows);
  return std::max(cuda::LayerBackwardWeightsBytes(context, sizes),
                  static_cast<std::size_t>(blocks * sizes.out) * sizeof(float));
}

void BackwardWeights(Context& context, const LinearBackwardWeights::Args& args) {
  CheckArguments(args);
  constexpr const char* kName = LinearBackwardWeights::kName;
  const cuda::LayerSizes sizes = SizesOf(args);
  void* const workspace = context.Workspace(BackwardWeightsBytes(context, args));
  cuda::LayerBackwardWeights(context, kName, sizes, args.x, args.dy, args.dw, args.accumulate,
                             workspace);
  if (args.dbias.empty()) return;
  auto* const parts = static_cast<float*>(workspace);
  const std::int64_t blocks = DivideUp(sizes.rows, cuda::kSumRows);
  cuda::WithStorage(args.dy.dtype, [&]<class T>(T) {
    cuda::Launch(context, kName, &cuda::ColumnSums<T>,
                 {.grid = dim3(static_cast<unsigned>(DivideUp(sizes.out, cuda::kSumColumns)),
                               static_cast<unsigned>(blocks)),
                  .block = dim3(cuda::kSumColumns * cuda::kSumLanes)},
                 args.dy.As<T>(), sizes.rows, sizes.out, parts);
  });
  cuda::SumParts(context, parts, blocks, sizes.out, args.accumulate, args.dbias.As<float>());
}

}  // namespace

void RegisterLinearCuda(KernelRegistry& registry) {
  constexpr DeviceType kDevice = DeviceType::kCuda;
  RegisterOurs<LinearForward>(registry, "cuda", Forward, nullptr, kDevice);
  RegisterOurs<LinearBackwardData>(registry, "cuda", BackwardData, nullptr, kDevice);
  RegisterOurs<LinearBackwardWeights>(registry, "cuda", BackwardWeights, BackwardWeightsBytes,
                                      kDevice);
}

}  // namespace nasengine
