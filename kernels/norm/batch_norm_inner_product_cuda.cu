// The inner product of a gradient with a batch norm's result as kernels for CUDA: the sums of batch
// norm's gradients, what each channel makes of its two, and their sum, all in a fixed order.
// SPDX-License-Identifier: MIT
#include <cstddef>

#include "kernels/core/float_kernel.h"
#include "kernels/cuda/block_reduce.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/norm/batch_norm_cuda.cuh"
#include "kernels/norm/batch_norm_cuda.h"
#include "kernels/norm/batch_norm_inner_product.h"
#include "kernels/norm/batch_norm_inner_product_cuda.cuh"

namespace nasengine {
namespace {

// The products of channels (c), then sums of blocks.
std::size_t WorkspaceBytes(Context& context, const BatchNormInnerProduct::Args& args) {
  return static_cast<std::size_t>(args.x.shape.back()) * sizeof(double) +
         cuda::GradientSumBytes(context, args.x, args.dy);
}

void InnerProductCuda(Context& context, const BatchNormInnerProduct::Args& args) {
  CheckArguments(args);
  constexpr const char* kName = BatchNormInnerProduct::kName;
  const std::int64_t c = args.x.shape.back();
  auto* products = static_cast<double*>(context.Workspace(WorkspaceBytes(context, args)));
  const cuda::NormParameters parameters{args.mean.As<float>(),
                                        args.inv_std.As<float>(),
                                        args.gamma.As<float>(),
                                        args.beta.As<float>(),
                                        0,
                                        Activation::kNone};
  const cuda::PartialSums<double> sums =
      cuda::SumGradients(context, kName, args.x, args.dy, parameters, products + c);
  const cuda::FinishInnerProduct finish{parameters.gamma, parameters.beta, parameters.spread,
                                        products};
  cuda::Launch(context, kName, &cuda::FinaliseSums<double, cuda::FinishInnerProduct>,
               {.grid = dim3(static_cast<unsigned>(cuda::DivideUp(c, cuda::kFinishChannels))),
                .block = dim3(cuda::kNormThreads)},
               sums.data, sums.blocks, c, finish);
  cuda::Launch(context, kName, &cuda::SumPartials<float>,
               {.grid = dim3(1), .block = dim3(cuda::kSumThreads)}, products, c, 1.0,
               args.result.As<float>());
}

}  // namespace

void RegisterBatchNormInnerProductCuda(KernelRegistry& registry) {
  RegisterOurs<BatchNormInnerProduct>(registry, "cuda", InnerProductCuda, WorkspaceBytes,
                                      DeviceType::kCuda);
}

}  // namespace nasengine
