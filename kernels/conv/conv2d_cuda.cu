// Our CUDA dense convolution as registered kernels. cuDNN serves where it is there; this one serves
// where it declines, and proves the backend where there is no device.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "kernels/conv/conv2d.h"
#include "kernels/conv/conv2d_cuda.cuh"
#include "kernels/conv/conv_check.h"
#include "kernels/core/float_kernel.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/sum_parts.h"
#include "kernels/cuda/with_storage.h"

namespace nasengine {
namespace cuda {
namespace {

DenseGeometry DenseOf(const ConvGeometry& g) {
  return {.n = g.n,
          .h = static_cast<int>(g.h),
          .w = static_cast<int>(g.w),
          .c_in = static_cast<int>(g.c_in),
          .c_out = static_cast<int>(g.c_out),
          .out_h = static_cast<int>(g.out_h()),
          .out_w = static_cast<int>(g.out_w()),
          .kernel = static_cast<int>(g.kernel),
          .stride = static_cast<int>(g.stride),
          .pad = static_cast<int>(g.pad)};
}

template <class A, class B, class Store>
void Multiply(Context& context, const char* name, const A& a, const B& b, const Store& store,
              ProductSizes sizes, std::int64_t parts) {
  sizes.row_tiles = DivideUp(sizes.rows, kTiledRows);
  sizes.column_tiles = DivideUp(sizes.columns, kTiledColumns);
  sizes.part_terms = DivideUp(DivideUp(sizes.terms, parts), kTiledTerms) * kTiledTerms;
  const auto blocks = static_cast<unsigned>(sizes.row_tiles * sizes.column_tiles * parts);
  Launch(context, name, &TiledProduct<A, B, Store>, {dim3(blocks), dim3(kTiledThreads)}, a, b,
         store, sizes);
}

void Forward(Context& context, const Conv2dForward::Args& args) {
  CheckArguments(args);
  if (args.y.elements() == 0) return;
  const ConvGeometry& g = args.geometry;
  const std::int64_t terms = g.kernel * g.kernel * g.c_in;
  WithStorage(args.x.dtype, [&]<class T>(T) {
    Multiply(context, Conv2dForward::kName, XWindows<T>{args.x.As<T>(), DenseOf(g)},
             DenseMatrix<T>{args.w.As<T>(), g.c_out, terms, terms, 1},
             StoreActivated<T>{args.y.As<T>(), args.bias.empty() ? nullptr : args.bias.As<float>(),
                               args.activation},
             {.rows = g.n * g.out_h() * g.out_w(), .columns = g.c_out, .terms = terms}, 1);
  });
}

void BackwardData(Context& context, const Conv2dBackwardData::Args& args) {
  CheckArguments(args);
  if (args.dx.elements() == 0) return;
  const ConvGeometry& g = args.geometry;
  WithStorage(args.dy.dtype, [&]<class T>(T) {
    Multiply(context, Conv2dBackwardData::kName, DyWindows<T>{args.dy.As<T>(), DenseOf(g)},
             WeightTaps<T>{args.w.As<T>(), DenseOf(g)},
             StoreActivated<T>{args.dx.As<T>(), nullptr, Activation::kNone},
             {.rows = g.n * g.h * g.w, .columns = g.c_in, .terms = g.kernel * g.kernel * g.c_out},
             1);
  });
}

// Of the sum over the pixels of dy: blocks for every multiprocessor, but tiles for every block.
std::int64_t PartsOf(const Context& context, const ConvGeometry& g) {
  constexpr std::int64_t kBlocksEach = 4;
  constexpr std::int64_t kTilesEach = 4;
  const std::int64_t tiles =
      DivideUp(g.c_out, kTiledRows) * DivideUp(g.kernel * g.kernel * g.c_in, kTiledColumns);
  const std::int64_t wanted = DivideUp(kBlocksEach * BackendOf(context).multiprocessors(), tiles);
  const std::int64_t most = DivideUp(g.n * g.out_h() * g.out_w(), kTilesEach * kTiledTerms);
  return std::max<std::int64_t>(std::min(wanted, most), 1);
}

std::size_t WeightsBytes(Context& context, const Conv2dBackwardWeights::Args& args) {
  CheckArguments(args);
  if (args.dy.elements() == 0) return 0;
  return static_cast<std::size_t>(PartsOf(context, args.geometry) * args.dw.elements()) *
         sizeof(float);
}

void BackwardWeights(Context& context, const Conv2dBackwardWeights::Args& args) {
  CheckArguments(args);
  const ConvGeometry& g = args.geometry;
  auto* dw = args.dw.As<float>();
  if (args.dy.elements() == 0) {
    return SumParts(context, nullptr, 0, args.dw.elements(), args.accumulate, dw);
  }
  const std::int64_t parts = PartsOf(context, g);
  auto* partial = static_cast<float*>(context.Workspace(WeightsBytes(context, args)));
  WithStorage(args.x.dtype, [&]<class T>(T) {
    const std::int64_t pixels = g.n * g.out_h() * g.out_w();
    Multiply(context, Conv2dBackwardWeights::kName,
             DenseMatrix<T>{args.dy.As<T>(), g.c_out, pixels, 1, g.c_out},
             XTaps<T>{{args.x.As<T>(), DenseOf(g)}}, StorePartial{partial, args.dw.elements()},
             {.rows = g.c_out, .columns = g.kernel * g.kernel * g.c_in, .terms = pixels}, parts);
  });
  SumParts(context, partial, parts, args.dw.elements(), args.accumulate, dw);
}

}  // namespace
}  // namespace cuda

void RegisterConv2dCuda(KernelRegistry& registry) {
  RegisterOurs<Conv2dForward>(registry, "cuda", cuda::Forward, nullptr, DeviceType::kCuda);
  RegisterOurs<Conv2dBackwardData>(registry, "cuda", cuda::BackwardData, nullptr,
                                   DeviceType::kCuda);
  RegisterOurs<Conv2dBackwardWeights>(registry, "cuda", cuda::BackwardWeights, cuda::WeightsBytes,
                                      DeviceType::kCuda);
}

}  // namespace nasengine
