// The fused MBConv on CUDA, phase by phase: each product or depthwise convolution normalises what
// it reads on the way, and gathers the sums that the next batch norm asks for while it writes.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv/mbconv.h"
#include "kernels/core/context.h"
#include "kernels/norm/batch_norm_cuda.h"

namespace nasengine::cuda::mbconv {

// The gradient of what a batch norm has read, x, from g, which its activation has passed.
struct GradientThroughNorm {
  const void* g = nullptr;
  const void* x = nullptr;
  NormParameters norm{};
  const float* slope = nullptr;
  const float* offset = nullptr;
};

// All tensors of a phase have one type, f32 or bf16. Sums of channels go to `partial`, of the bytes
// that the phase asks for, from where they come as PartialSums<double>. No phase writes where it
// reads.

// e1 = x w^T.
PartialSums<double> Expand(Context& context, const MbconvGeometry& g, const ConstView& x,
                           const ConstView& w, const View& e1, double* partial);
// o = a2 w^T, a2 being e2 normalised.
PartialSums<double> Project(Context& context, const MbconvGeometry& g, const ConstView& e2,
                            const NormParameters& norm, const ConstView& w, const View& o,
                            double* partial);
// What Expand and Project write to `partial`.
std::size_t ProductSumBytes(std::int64_t rows, std::int64_t columns);

// Where gradients of weights go, and what they need until then.
struct WeightsGradient {
  View dw;  // empty: not wanted
  bool accumulate = false;
  float* parts = nullptr;  // of the bytes that the phase asks for
};

// g2 = what the depthwise norm's activation passes of d_o w; dw = d_o^T a2. Products take slices of
// the rows in turn, so that what the first reads of them the second finds in the cache.
PartialSums<double> ProjectBackward(Context& context, const MbconvGeometry& g,
                                    const GradientThroughNorm& d_o, const ConstView& w,
                                    const ConstView& e2, const NormParameters& norm, const View& g2,
                                    const WeightsGradient& weights, double* partial);
std::size_t ProjectPartsBytes(const Context& context, const MbconvGeometry& g, DType dtype);
// dx = d_e1 w, unless dx is empty; dw = d_e1^T x. Likewise.
void ExpandBackward(Context& context, const MbconvGeometry& g, const GradientThroughNorm& d_e1,
                    const ConstView& w, const ConstView& x, const View& dx,
                    const WeightsGradient& weights);
std::size_t ExpandPartsBytes(const Context& context, const MbconvGeometry& g, DType dtype);

// Whether the depthwise phases take tensors of these channels.
bool TakesChannels(const MbconvGeometry& g, DType dtype);

// e2 = depthwise(a1), a1 being `in` normalised, or itself where `norm` is null.
PartialSums<double> Depthwise(Context& context, const MbconvGeometry& g, const ConstView& in,
                              const NormParameters* norm, const ConstView& w, const View& e2,
                              double* partial);
std::size_t DepthwiseSumBytes(const Context& context, const MbconvGeometry& g, DType dtype);
// Without dw: g1 = what the expansion norm's activation passes of the gradient of a1.
PartialSums<double> DepthwiseBackwardData(Context& context, const MbconvGeometry& g,
                                          const GradientThroughNorm& d_e2, const ConstView& w,
                                          const ConstView& e1, const NormParameters& norm,
                                          const View& g1, double* partial);
// Without an expansion: dx itself.
void DepthwiseBackwardData(Context& context, const MbconvGeometry& g,
                           const GradientThroughNorm& d_e2, const ConstView& w, const View& dx);
std::size_t DepthwiseBackwardDataSumBytes(const Context& context, const MbconvGeometry& g,
                                          DType dtype);

// With dw, both gradients in one pass.
PartialSums<double> DepthwiseBackward(Context& context, const MbconvGeometry& g,
                                      const GradientThroughNorm& d_e2, const ConstView& w,
                                      const ConstView& e1, const NormParameters& norm,
                                      const View& g1, const WeightsGradient& weights,
                                      double* partial);
void DepthwiseBackward(Context& context, const MbconvGeometry& g, const GradientThroughNorm& d_e2,
                       const ConstView& w, const ConstView& x, const View& dx,
                       const WeightsGradient& weights);
std::size_t DepthwisePartsBytes(const Context& context, const MbconvGeometry& g, DType dtype,
                                bool normalised);
std::size_t DepthwiseBackwardSumBytes(const Context& context, const MbconvGeometry& g, DType dtype);
// dw alone, without an expansion.
void DepthwiseBackwardWeights(Context& context, const MbconvGeometry& g, const ConstView& x,
                              const GradientThroughNorm& d_e2, const WeightsGradient& weights);
std::size_t DepthwiseWeightsPartsBytes(const Context& context, const MbconvGeometry& g,
                                       DType dtype);

}  // namespace nasengine::cuda::mbconv
