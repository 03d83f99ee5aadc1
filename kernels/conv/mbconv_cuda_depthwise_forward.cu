// The depthwise phase of the fused MBConv's forward pass on CUDA.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "kernels/conv/depthwise_conv_cuda_forward.cuh"
#include "kernels/conv/mbconv_cuda_depthwise.h"
#include "kernels/cuda/with_storage.h"

namespace nasengine::cuda::mbconv {
namespace {

MarchPlan PlanOf(const Context& context, const MbconvGeometry& g, const MarchMap& map) {
  return PlanMarch(map, FusedTile(map.element_bytes, g.kernel, g.stride), Multiprocessors(context));
}

// Calls body(input) with `in` normalised, or as it is without a norm.
template <class T, class Body>
void WithInput(const ConstView& in, const NormParameters* norm, const Body& body) {
  if (norm != nullptr) {
    body(MarchInput<T, Normalised<T>>{in.As<T>(), {*norm}});
  } else {
    body(MarchInput<T>{in.As<T>()});
  }
}

}  // namespace

PartialSums<double> Depthwise(Context& context, const MbconvGeometry& g, const ConstView& in,
                              const NormParameters* norm, const ConstView& w, const View& e2,
                              double* partial) {
  PartialSums<double> sums{.data = partial};
  WithStorage(e2.dtype, [&]<class T>(T) {
    const MarchMap map = ForwardMap(g.depthwise(), sizeof(T));
    const MarchPlan plan = PlanOf(context, g, map);
    sums.blocks = SumBlocks(map, plan);
    WithKernelAndStride(
        g, [&]<int K, int S>(std::integral_constant<int, K>, std::integral_constant<int, S>) {
          WithInput<T>(in, norm, [&](const auto& input) {
            LaunchMarch<K, S>(context, "mbconv_depthwise", map, plan, false, input, w.As<T>(),
                              StoreMapWithMoments<T>{e2.As<T>(), partial});
          });
        });
  });
  return sums;
}

std::size_t DepthwiseSumBytes(const Context& context, const MbconvGeometry& g, DType dtype) {
  const MarchMap map = ForwardMap(g.depthwise(), static_cast<std::int64_t>(SizeOf(dtype)));
  return SumBytes(map, PlanOf(context, g, map));
}

bool TakesChannels(const MbconvGeometry& g, DType dtype) {
  const auto bytes = static_cast<std::int64_t>(SizeOf(dtype));
  const int widest =
      std::max({FusedTile(bytes, g.kernel, g.stride).vector, FusedTile(bytes, g.kernel, 1).vector,
                Stride2GradientTile(g.kernel).vector, WeightsTile(bytes, g.kernel).vector,
                GradientsTile(bytes, g.kernel, g.stride, true).vector});
  return g.expanded % widest == 0;
}

}  // namespace nasengine::cuda::mbconv
