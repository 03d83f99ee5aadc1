// The elementwise operators as kernels for CUDA.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "kernels/core/float_kernel.h"
#include "kernels/cuda/for_each_element.cuh"
#include "kernels/cuda/with_storage.h"
#include "kernels/elementwise/elementwise_check.h"
#include "kernels/elementwise/elementwise_cuda.cuh"

namespace nasengine {
namespace {

using cuda::WithStorage;

void AddCuda(Context& context, const Add::Args& args) {
  CheckArgs(args);
  WithStorage(args.a.dtype, [&]<class T>(T) {
    cuda::Map(context, Add::kName, cuda::AddElements(), args.a.As<T>(), args.b.As<T>(),
              args.y.As<T>(), args.a.elements());
  });
}

void AxpyCuda(Context& context, const Axpy::Args& args) {
  CheckArgs(args);
  WithStorage(args.x.dtype, [&]<class T>(T) {
    T* y = args.y.As<T>();
    cuda::Map<T>(context, Axpy::kName, cuda::AxpyElements{args.alpha}, args.x.As<T>(), y, y,
                 args.x.elements());
  });
}

void ScaleCuda(Context& context, const Scale::Args& args) {
  CheckArgs(args);
  WithStorage(args.x.dtype, [&]<class T>(T) {
    cuda::Map(context, Scale::kName, cuda::ScaleElement{args.alpha}, args.x.As<T>(), args.y.As<T>(),
              args.x.elements());
  });
}

void CastCuda(Context& context, const Cast::Args& args) {
  CheckArgs(args);
  WithStorage(args.x.dtype, [&]<class T>(T) {
    using Other = std::conditional_t<sizeof(T) == 2, float, BFloat16>;
    cuda::Map(context, Cast::kName, cuda::CopyElement(), args.x.As<T>(), args.y.As<Other>(),
              args.x.elements());
  });
}

void DropoutCuda(Context& context, const Dropout::Args& args) {
  CheckArgs(args);
  const cuda::DropElement drop{cuda::RngStream(args.rng, args.step), args.rate,
                               KeptScale(args.rate)};
  WithStorage(args.x.dtype, [&]<class T>(T) {
    cuda::Map(context, Dropout::kName, drop, args.x.As<T>(), args.y.As<T>(), args.x.elements());
  });
}

// Blocks of the first stage: a thread's loop runs more than once only where all are busy.
std::int64_t ProductBlocks(const Context& context, const InnerProduct::Args& args) {
  constexpr int kBlocksPerMultiprocessor = 8;
  const std::int64_t vectors = cuda::DivideUp(args.a.bytes(), 16);
  const std::int64_t useful =
      cuda::DivideUp(vectors, cuda::kInnerProductThreads * cuda::kProductVectors);
  return std::min<std::int64_t>(
      useful, kBlocksPerMultiprocessor * cuda::BackendOf(context).multiprocessors());
}

std::size_t ProductWorkspaceBytes(Context& context, const InnerProduct::Args& args) {
  return static_cast<std::size_t>(ProductBlocks(context, args)) * sizeof(double);
}

void InnerProductCuda(Context& context, const InnerProduct::Args& args) {
  CheckArgs(args);
  const std::int64_t n = args.a.elements();
  const std::int64_t blocks = ProductBlocks(context, args);
  auto* partial = static_cast<double*>(context.Workspace(ProductWorkspaceBytes(context, args)));
  const cuda::LaunchShape shape{.grid = dim3(static_cast<unsigned>(blocks)),
                                .block = dim3(cuda::kInnerProductThreads)};
  WithStorage(args.a.dtype, [&]<class T>(T) {
    constexpr int kVector = 16 / static_cast<int>(sizeof(T));
    const T* a = args.a.As<T>();
    const T* b = args.b.As<T>();
    const bool wide = cuda::AlignedFor<kVector>(a) && cuda::AlignedFor<kVector>(b);
    cuda::Launch(context, InnerProduct::kName,
                 wide ? &cuda::SumProducts<T, kVector> : &cuda::SumProducts<T, 1>, shape, a, b, n,
                 partial);
  });
  cuda::Launch(context, InnerProduct::kName, &cuda::SumPartials<float>,
               {.grid = dim3(1), .block = dim3(cuda::kSumThreads)}, partial, blocks, 1.0,
               args.result.As<float>());
}

}  // namespace

void RegisterElementwiseCuda(KernelRegistry& registry) {
  constexpr DeviceType kDevice = DeviceType::kCuda;
  RegisterOurs<Add>(registry, "cuda", AddCuda, nullptr, kDevice);
  RegisterOurs<Axpy>(registry, "cuda", AxpyCuda, nullptr, kDevice);
  RegisterOurs<Scale>(registry, "cuda", ScaleCuda, nullptr, kDevice);
  RegisterOurs<InnerProduct>(registry, "cuda", InnerProductCuda, ProductWorkspaceBytes, kDevice);
  RegisterOurs<Cast>(registry, "cuda", CastCuda, nullptr, kDevice);
  RegisterOurs<Dropout>(registry, "cuda", DropoutCuda, nullptr, kDevice);
}

}  // namespace nasengine
