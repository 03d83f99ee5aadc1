// Launches of backward-weights: sums of blocks into the workspace, then of these.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv_cuda_backward_weights.cuh"
#include "kernels/cuda/with_storage.h"

namespace nasengine::cuda {
namespace {

// Calls body.template operator()<T, K, S>(map, plan) where the march takes the job.
template <class Body>
bool WithPlan(Context& context, const DepthwiseGradient& job, const Body& body) {
  return WithStorage(job.dtype, [&]<class T>(T) {
    const ConvGeometry& g = job.geometry;
    if (g.stride > 2) return false;
    return WithKernel(g.kernel, [&]<int K>(std::integral_constant<int, K>) {
      constexpr MarchTile kTile = WeightsTile(sizeof(T), K);
      constexpr int kBytes = kTile.vector * static_cast<int>(sizeof(T));
      const MarchMap map = ForwardMap(g, sizeof(T));
      const std::int64_t pixel_bytes = map.channels * map.element_bytes;
      if (!TakesVectors(job.x, pixel_bytes, kBytes) || !TakesVectors(job.dy, pixel_bytes, kBytes)) {
        return false;
      }
      const MarchPlan plan = PlanWeights(map, kTile, BackendOf(context).multiprocessors());
      return g.stride == 1 ? body.template operator()<T, K, 1>(map, plan)
                           : body.template operator()<T, K, 2>(map, plan);
    });
  });
}

}  // namespace

bool MarchBackwardWeights(Context& context, const DepthwiseGradient& job) {
  return WithPlan(
      context, job, [&]<class T, int K, int S>(const MarchMap& map, const MarchPlan& plan) {
        auto* partial = static_cast<float*>(context.Workspace(WeightPartsBytes(map, plan)));
        LaunchWeightSums<K, S>(context, "depthwise_conv_backward_weights", map, plan,
                               MarchInput<T>{static_cast<const T*>(job.x)},
                               MarchInput<T>{static_cast<const T*>(job.dy)}, partial,
                               job.accumulate, job.dw);
        return true;
      });
}

std::size_t MarchWeightsBytes(Context& context, const DepthwiseGradient& job) {
  std::size_t bytes = 0;
  WithPlan(context, job, [&]<class T, int K, int S>(const MarchMap& map, const MarchPlan& plan) {
    bytes = WeightPartsBytes(map, plan);
    return true;
  });
  return bytes;
}

}  // namespace nasengine::cuda
