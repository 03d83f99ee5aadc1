// Launches of the kernels that march from x to y, and from dy to dx where the stride is 1.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv_cuda_forward.cuh"
#include "kernels/cuda/with_storage.h"

namespace nasengine::cuda {
namespace {

template <class T, int K, int S>
bool March(Context& context, const char* name, const DepthwiseMap& job, const MarchMap& map,
           bool turned) {
  constexpr MarchTile kTile = ForwardTile(sizeof(T), K, S);
  constexpr int kBytes = kTile.vector * static_cast<int>(sizeof(T));
  const std::int64_t pixel_bytes = map.channels * map.element_bytes;
  if (!TakesVectors(job.in, pixel_bytes, kBytes) || !TakesVectors(job.out, pixel_bytes, kBytes)) {
    return false;
  }
  const MarchPlan plan = PlanMarch(map, kTile, BackendOf(context).multiprocessors());
  LaunchMarch<K, S>(context, name, map, plan, turned, MarchInput<T>{static_cast<const T*>(job.in)},
                    static_cast<const T*>(job.w),
                    StoreMap<T>{static_cast<T*>(job.out), job.bias, job.activation});
  return true;
}

}  // namespace

bool MarchForward(Context& context, const DepthwiseMap& job) {
  return WithStorage(job.dtype, [&]<class T>(T) {
    const MarchMap map = ForwardMap(job.geometry, sizeof(T));
    return WithKernel(job.geometry.kernel, [&]<int K>(std::integral_constant<int, K>) {
      const char* name = "depthwise_conv_forward";
      if (map.stride == 1) return March<T, K, 1>(context, name, job, map, false);
      return map.stride == 2 && March<T, K, 2>(context, name, job, map, false);
    });
  });
}

bool MarchBackwardData(Context& context, const DepthwiseMap& job) {
  if (job.geometry.stride != 1) return MarchStride2Gradient(context, job);
  return WithStorage(job.dtype, [&]<class T>(T) {
    const MarchMap map = BackwardDataMap(job.geometry, sizeof(T));
    return WithKernel(job.geometry.kernel, [&]<int K>(std::integral_constant<int, K>) {
      return March<T, K, 1>(context, "depthwise_conv_backward_data", job, map, true);
    });
  });
}

}  // namespace nasengine::cuda
