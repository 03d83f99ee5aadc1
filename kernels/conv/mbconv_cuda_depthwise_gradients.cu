// The phase of the fused MBConv's backward pass on CUDA that wants all gradients of the depthwise
// convolution.
// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv_cuda_depthwise.h"
#include "kernels/conv/mbconv_cuda_depthwise_gradient.cuh"
#include "kernels/cuda/with_storage.h"

namespace nasengine::cuda::mbconv {
namespace {

struct Planned {
  MarchMap map;
  MarchPlan plan;
};

Planned PlanOf(const Context& context, const MbconvGeometry& g, DType dtype, bool normalised) {
  const MarchMap map = GradientsMap(g, static_cast<std::int64_t>(SizeOf(dtype)));
  return {map, GradientsPlan(g, map, normalised, Multiprocessors(context))};
}

template <class T, class A>
PartialSums<double> Run(Context& context, const MbconvGeometry& g, const GradientThroughNorm& d_e2,
                        const ConstView& w, const A& a, const View& out,
                        const WeightsGradient& weights, double* partial) {
  const auto [map, plan] = PlanOf(context, g, w.dtype, A::kChanges);
  WithKernelAndStride(g, [&]<int K, int S>(std::integral_constant<int, K>,
                                           std::integral_constant<int, S>) {
    LaunchGradients<K, S>(context, "mbconv_depthwise_gradients", map, plan, static_cast<int>(g.h),
                          static_cast<int>(g.w), InputOf<T>(d_e2), a, w.As<T>(), out.As<T>(),
                          partial, weights.parts, weights.accumulate, weights.dw.As<float>());
  });
  return {.data = partial, .blocks = plan.parts};
}

}  // namespace

PartialSums<double> DepthwiseBackward(Context& context, const MbconvGeometry& g,
                                      const GradientThroughNorm& d_e2, const ConstView& w,
                                      const ConstView& e1, const NormParameters& norm,
                                      const View& g1, const WeightsGradient& weights,
                                      double* partial) {
  PartialSums<double> sums;
  WithStorage(g1.dtype, [&]<class T>(T) {
    sums = Run<T>(context, g, d_e2, w, MarchInput<T, Normalised<T>>{e1.As<T>(), {norm}}, g1,
                  weights, partial);
  });
  return sums;
}

void DepthwiseBackward(Context& context, const MbconvGeometry& g, const GradientThroughNorm& d_e2,
                       const ConstView& w, const ConstView& x, const View& dx,
                       const WeightsGradient& weights) {
  WithStorage(dx.dtype, [&]<class T>(T) {
    Run<T>(context, g, d_e2, w, MarchInput<T>{x.As<T>()}, dx, weights, nullptr);
  });
}

std::size_t DepthwisePartsBytes(const Context& context, const MbconvGeometry& g, DType dtype,
                                bool normalised) {
  const auto [map, plan] = PlanOf(context, g, dtype, normalised);
  return WeightPartsBytes(map, plan);
}

std::size_t DepthwiseBackwardSumBytes(const Context& context, const MbconvGeometry& g,
                                      DType dtype) {
  const auto [map, plan] = PlanOf(context, g, dtype, true);
  return static_cast<std::size_t>(plan.parts * 2 * map.channels) * sizeof(double);
}

}  // namespace nasengine::cuda::mbconv
