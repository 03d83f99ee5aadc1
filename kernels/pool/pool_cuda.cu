// Our CUDA pooling as registered kernels.
// SPDX-License-Identifier: MIT
#include <initializer_list>

#include "kernels/core/float_kernel.h"
#include "kernels/cuda/launch.h"
#include "kernels/pool/pool.h"
#include "kernels/pool/pool_check.h"
#include "kernels/pool/pool_cuda.cuh"

namespace nasengine {
namespace cuda {
namespace {

constexpr int kVectorBytes = 16;

// Calls body.template operator()<T, V>() with 16 bytes of channels a thread where channels and
// addresses are multiples of that, else with one channel.
template <class Body>
void WithVectors(DType dtype, std::int64_t channels, std::initializer_list<const void*> data,
                 const Body& body) {
  bool aligned = channels * SizeOf(dtype) % kVectorBytes == 0;
  for (const void* pointer : data) {
    aligned = aligned && reinterpret_cast<std::uintptr_t>(pointer) % kVectorBytes == 0;
  }
  if (dtype == DType::kBf16) {
    aligned ? body.template operator()<BFloat16, kVectorBytes / 2>()
            : body.template operator()<BFloat16, 1>();
  } else {
    aligned ? body.template operator()<float, kVectorBytes / 4>()
            : body.template operator()<float, 1>();
  }
}

// For a launch over pixels of rows of `width`.
PoolGeometry PoolOf(const ConvGeometry& g, int vector, std::int64_t width) {
  PoolGeometry pool;
  pool.h = static_cast<int>(g.h);
  pool.w = static_cast<int>(g.w);
  pool.out_h = static_cast<int>(g.out_h());
  pool.out_w = static_cast<int>(g.out_w());
  pool.channels = static_cast<int>(g.c_in);
  pool.groups = static_cast<int>(g.c_in / vector);
  pool.kernel = static_cast<int>(g.kernel);
  pool.stride = static_cast<int>(g.stride);
  pool.pad = static_cast<int>(g.pad);
  pool.row_blocks = static_cast<int>(DivideUp(width * pool.groups, kPoolThreads));
  return pool;
}

// `rows` of all images.
LaunchShape PoolShape(const PoolGeometry& g, std::int64_t rows) {
  return {dim3(static_cast<unsigned>(rows * g.row_blocks)), dim3(kPoolThreads)};
}

void AvgForward(Context& context, const AvgPoolForward::Args& args) {
  CheckArgs(args);
  const ConvGeometry& g = args.geometry;
  WithVectors(args.x.dtype, g.c_in, {args.x.data, args.y.data}, [&]<class T, int V>() {
    const PoolGeometry pool = PoolOf(g, V, g.out_w());
    Launch(context, AvgPoolForward::kName, &AveragePool<T, V>, PoolShape(pool, g.n * g.out_h()),
           args.x.As<T>(), args.y.As<T>(), pool);
  });
}

void AvgBackward(Context& context, const AvgPoolBackward::Args& args) {
  CheckArgs(args);
  const ConvGeometry& g = args.geometry;
  WithVectors(args.dy.dtype, g.c_in, {args.dy.data, args.dx.data}, [&]<class T, int V>() {
    const PoolGeometry pool = PoolOf(g, V, g.w);
    Launch(context, AvgPoolBackward::kName, &AveragePoolGradient<T, V>, PoolShape(pool, g.n * g.h),
           args.dy.As<T>(), args.dx.As<T>(), pool);
  });
}

void MaxForward(Context& context, const MaxPoolForward::Args& args) {
  CheckArgs(args);
  const ConvGeometry& g = args.geometry;
  WithVectors(args.x.dtype, g.c_in, {args.x.data, args.y.data}, [&]<class T, int V>() {
    const PoolGeometry pool = PoolOf(g, V, g.out_w());
    Launch(context, MaxPoolForward::kName, &MaximumPool<T, V>, PoolShape(pool, g.n * g.out_h()),
           args.x.As<T>(), args.y.As<T>(), pool);
  });
}

void MaxBackward(Context& context, const MaxPoolBackward::Args& args) {
  CheckArgs(args);
  const ConvGeometry& g = args.geometry;
  WithVectors(
      args.x.dtype, g.c_in, {args.x.data, args.dy.data, args.dx.data}, [&]<class T, int V>() {
        const PoolGeometry pool = PoolOf(g, V, g.w);
        Launch(context, MaxPoolBackward::kName, &MaximumPoolGradient<T, V>,
               PoolShape(pool, g.n * g.h), args.x.As<T>(), args.dy.As<T>(), args.dx.As<T>(), pool);
      });
}

void GlobalForward(Context& context, const GlobalAvgPoolForward::Args& args) {
  CheckArgs(args);
  const Shape& x = args.x.shape;
  WithVectors(args.x.dtype, x[3], {args.x.data, args.y.data}, [&]<class T, int V>() {
    const std::int64_t groups = x[3] / V;
    if (groups == 0) return;
    const auto lanes = static_cast<unsigned>(std::min<std::int64_t>(groups, kMostGlobalLanes));
    const std::int64_t chunks = DivideUp(groups, lanes);
    Launch(context, GlobalAvgPoolForward::kName, &GlobalAverage<T, V>,
           {dim3(static_cast<unsigned>(x[0] * chunks)), dim3(lanes, kPoolThreads / lanes)},
           args.x.As<T>(), args.y.As<T>(), static_cast<int>(x[1] * x[2]), static_cast<int>(x[3]),
           static_cast<int>(chunks));
  });
}

void GlobalBackward(Context& context, const GlobalAvgPoolBackward::Args& args) {
  CheckArgs(args);
  const Shape& dx = args.dx.shape;
  const ConvGeometry g{.n = dx[0], .h = dx[1], .w = dx[2], .c_in = dx[3], .c_out = dx[3]};
  WithVectors(args.dx.dtype, g.c_in, {args.dy.data, args.dx.data}, [&]<class T, int V>() {
    const PoolGeometry pool = PoolOf(g, V, g.w);
    Launch(context, GlobalAvgPoolBackward::kName, &GlobalAverageGradient<T, V>,
           PoolShape(pool, g.n * g.h), args.dy.As<T>(), args.dx.As<T>(), pool);
  });
}

}  // namespace
}  // namespace cuda

void RegisterPoolCuda(KernelRegistry& registry) {
  RegisterOurs<AvgPoolForward>(registry, "cuda", cuda::AvgForward, nullptr, DeviceType::kCuda);
  RegisterOurs<AvgPoolBackward>(registry, "cuda", cuda::AvgBackward, nullptr, DeviceType::kCuda);
  RegisterOurs<MaxPoolForward>(registry, "cuda", cuda::MaxForward, nullptr, DeviceType::kCuda);
  RegisterOurs<MaxPoolBackward>(registry, "cuda", cuda::MaxBackward, nullptr, DeviceType::kCuda);
  RegisterOurs<GlobalAvgPoolForward>(registry, "cuda", cuda::GlobalForward, nullptr,
                                     DeviceType::kCuda);
  RegisterOurs<GlobalAvgPoolBackward>(registry, "cuda", cuda::GlobalBackward, nullptr,
                                      DeviceType::kCuda);
}

}  // namespace nasengine
