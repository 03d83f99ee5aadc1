// Launches of the kernels that march from x to y, and from dy to dx where the stride is 1.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv_cuda_forward.cuh"
#include "kernels/conv/depthwise_conv_cuda_launch.h"

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
  MarchArgs args = ArgsOf(map, plan);
  args.turned = turned;
  args.activation = job.activation;
  const auto* in = static_cast<const T*>(job.in);
  const auto* w = static_cast<const T*>(job.w);
  auto* out = static_cast<T*>(job.out);
  if constexpr (K == 3) {
    Launch(context, name, &DepthwiseMarch<T, K, S, kTile.vector, kTile.width>,
           ShapeOf(map, plan, TapBytes(map, plan)), in, w, job.bias, out, args);
  } else {
    static_assert(kBytes == 4);  // RowStager
    args.copies_wide = plan.groups % 4 == 0 && TakesVectors(job.in, pixel_bytes, 16);
    Launch(context, name, &DepthwiseMarchStaged<T, K, S, kTile.vector, kTile.width>,
           ShapeOf(map, plan, static_cast<std::size_t>(StagedBytes(map, plan))), in, w, job.bias,
           out, args);
  }
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
