// Launches of backward-data of stride 2.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv_cuda_backward_data.cuh"
#include "kernels/conv/depthwise_conv_cuda_launch.h"

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
      Launch(context, "depthwise_conv_backward_data",
             &DepthwiseStride2Gradient<T, K, kTile.vector, kTile.width>,
             ShapeOf(map, plan, TapBytes(map, plan)), static_cast<const T*>(job.in),
             static_cast<const T*>(job.w), static_cast<T*>(job.out), ArgsOf(map, plan),
             static_cast<int>(g.h), static_cast<int>(g.w));
      return true;
    });
  });
}

}  // namespace nasengine::cuda
