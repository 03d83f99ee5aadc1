// The depthwise phases of the fused MBConv's backward pass on CUDA.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv_cuda_backward_data.cuh"
#include "kernels/conv/depthwise_conv_cuda_backward_weights.cuh"
#include "kernels/conv/depthwise_conv_cuda_forward.cuh"
#include "kernels/conv/mbconv_cuda_depthwise.h"
#include "kernels/conv/mbconv_cuda_depthwise_gradient.cuh"
#include "kernels/cuda/with_storage.h"

namespace nasengine::cuda::mbconv {
namespace {

template <class T, class Output>
void BackwardData(Context& context, const MbconvGeometry& g, const GradientThroughNorm& d_e2,
                  const ConstView& w, const MarchMap& map, const Output& output) {
  const char* name = "mbconv_depthwise_backward_data";
  const MarchPlan plan = DataPlan(g, map, Multiprocessors(context));
  WithKernelAndStride(
      g, [&]<int K, int S>(std::integral_constant<int, K>, std::integral_constant<int, S>) {
        if constexpr (S == 1) {
          LaunchMarch<K, 1>(context, name, map, plan, true, InputOf<T>(d_e2), w.As<T>(), output);
        } else {
          LaunchStride2Gradient<K>(context, name, map, plan, static_cast<int>(g.h),
                                   static_cast<int>(g.w), InputOf<T>(d_e2), w.As<T>(), output);
        }
      });
}

// From a1 and e2's gradient, of two tensors.
MarchMap WeightsMap(const MbconvGeometry& g, std::int64_t element_bytes) {
  MarchMap map = ForwardMap(g.depthwise(), element_bytes);
  map.unit_tensors = 2;
  return map;
}

MarchPlan WeightsPlanOf(const Context& context, const MbconvGeometry& g, const MarchMap& map) {
  return PlanWeights(map, WeightsTile(map.element_bytes, g.kernel), Multiprocessors(context));
}

}  // namespace

PartialSums<double> DepthwiseBackwardData(Context& context, const MbconvGeometry& g,
                                          const GradientThroughNorm& d_e2, const ConstView& w,
                                          const ConstView& e1, const NormParameters& norm,
                                          const View& g1, double* partial) {
  PartialSums<double> sums{.data = partial};
  WithStorage(g1.dtype, [&]<class T>(T) {
    const MarchMap map = DataMap(g, sizeof(T), true);
    sums.blocks = SumBlocks(map, DataPlan(g, map, Multiprocessors(context)));
    BackwardData<T>(context, g, d_e2, w, map,
                    StorePassedMap<T>{g1.As<T>(), e1.As<T>(), norm, partial});
  });
  return sums;
}

void DepthwiseBackwardData(Context& context, const MbconvGeometry& g,
                           const GradientThroughNorm& d_e2, const ConstView& w, const View& dx) {
  WithStorage(dx.dtype, [&]<class T>(T) {
    BackwardData<T>(context, g, d_e2, w, DataMap(g, sizeof(T), false), StoreMap<T>{dx.As<T>()});
  });
}

std::size_t DepthwiseBackwardDataSumBytes(const Context& context, const MbconvGeometry& g,
                                          DType dtype) {
  const MarchMap map = DataMap(g, static_cast<std::int64_t>(SizeOf(dtype)), true);
  return SumBytes(map, DataPlan(g, map, Multiprocessors(context)));
}

void DepthwiseBackwardWeights(Context& context, const MbconvGeometry& g, const ConstView& x,
                              const GradientThroughNorm& d_e2, const WeightsGradient& weights) {
  WithStorage(x.dtype, [&]<class T>(T) {
    const MarchMap map = WeightsMap(g, sizeof(T));
    const MarchPlan plan = WeightsPlanOf(context, g, map);
    WithKernelAndStride(
        g, [&]<int K, int S>(std::integral_constant<int, K>, std::integral_constant<int, S>) {
          LaunchWeightSums<K, S>(context, "mbconv_depthwise_backward_weights", map, plan,
                                 MarchInput<T>{x.As<T>()}, InputOf<T>(d_e2), weights.parts,
                                 weights.accumulate, weights.dw.As<float>());
        });
  });
}

std::size_t DepthwiseWeightsPartsBytes(const Context& context, const MbconvGeometry& g,
                                       DType dtype) {
  const MarchMap map = WeightsMap(g, static_cast<std::int64_t>(SizeOf(dtype)));
  return WeightPartsBytes(map, WeightsPlanOf(context, g, map));
}

}  // namespace nasengine::cuda::mbconv
