// Launches of backward-data of stride 2.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv_cuda_backward_data.cuh"
#include "kernels/cuda/with_storage.h"

namespace nasengine::cuda {

bool MarchStride2Gradient(Context& context, const DepthwiseMap& job) {
  const ConvGeometry& g = job.geometry;
  if (g.stride != 2 || g.pad != g.kernel / 2) return false;
  return WithStorage(job.dtype, [&]<class T>(T) {
    return WithKernel(g.kernel, [&]<int K>(std::integral_constant<int, K>) {
      constexpr MarchTile kTile = Stride2GradientTile(K);
      constexpr int kBytes = kTile.vector * static_cast<int>(sizeof(T));
      const MarchMap map = BackwardDataMap(g, sizeof(T));
      const std::int64_t pixel_bytes = map.channels * map.element_bytes;
      if (!TakesVectors(job.in, pixel_bytes, kBytes) ||
          !TakesVectors(job.out, pixel_bytes, kBytes)) {
        return false;
      }
      const MarchPlan plan = PlanMarch(map, kTile, BackendOf(context).multiprocessors());
      LaunchStride2Gradient<K>(context, "depthwise_conv_backward_data", map, plan,
                               static_cast<int>(g.h), static_cast<int>(g.w),
                               MarchInput<T>{static_cast<const T*>(job.in)},
                               static_cast<const T*>(job.w), StoreMap<T>{static_cast<T*>(job.out)});
      return true;
    });
  });
}

}  // namespace nasengine::cuda
