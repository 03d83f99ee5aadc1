// What the depthwise phases of the fused MBConv on CUDA share on the host: their operands, and how
// their maps are shared out.
// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>

#include "kernels/conv/depthwise_conv_cuda_launch.h"
#include "kernels/conv/depthwise_conv_cuda_reader.cuh"
#include "kernels/conv/mbconv_cuda.h"
#include "kernels/conv/mbconv_cuda_plan.h"

namespace nasengine::cuda::mbconv {

// Calls body(std::integral_constant<int, K>{}, std::integral_constant<int, S>{}) for the block's
// kernel of 3, 5 or 7 and its stride of 1 or 2.
template <class Body>
void WithKernelAndStride(const MbconvGeometry& g, const Body& body) {
  WithKernel(g.kernel, [&]<int K>(std::integral_constant<int, K> kernel) {
    if (g.stride == 1) {
      body(kernel, std::integral_constant<int, 1>{});
    } else {
      body(kernel, std::integral_constant<int, 2>{});
    }
    return true;
  });
}

template <class T>
MarchInput<T, NormGradient<T>> InputOf(const GradientThroughNorm& gradient) {
  return {static_cast<const T*>(gradient.g),
          {.second = static_cast<const T*>(gradient.x),
           .norm = gradient.norm,
           .slope = gradient.slope,
           .offset = gradient.offset}};
}

inline int Multiprocessors(const Context& context) { return BackendOf(context).multiprocessors(); }

// Blocks that leave sums of their own for every channel.
inline std::int64_t SumBlocks(const MarchMap& map, const MarchPlan& plan) {
  return Blocks(map, plan) / plan.chunks;
}
inline std::size_t SumBytes(const MarchMap& map, const MarchPlan& plan) {
  return static_cast<std::size_t>(SumBlocks(map, plan) * 2 * map.channels) * sizeof(double);
}

}  // namespace nasengine::cuda::mbconv
