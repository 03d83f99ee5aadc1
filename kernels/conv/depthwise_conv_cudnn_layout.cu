// SPDX-License-Identifier: MIT
#include <cstdint>
#include <limits>

#include "kernels/conv/depthwise_conv_cudnn_layout.cuh"
#include "kernels/conv/depthwise_conv_cudnn_layout.h"
#include "kernels/core/error.h"
#include "kernels/cuda/launch.h"

namespace nasengine::cuda {
namespace {

constexpr unsigned kBlock = 256;

struct Weights {
  std::uint32_t channels;
  std::uint32_t taps;
};

// `ours` (kernel, kernel, c); `other` as many elements.
Weights SizesOf(ConstView ours, ConstView other) {
  NAS_CHECK(ours.shape.rank() == 3 && ours.elements() == other.elements() &&
                ours.elements() <= std::numeric_limits<std::int32_t>::max(),
            "depthwise weights: ", ToString(ours.shape), " in cuDNN's order are ",
            ToString(other.shape));
  return {.channels = static_cast<std::uint32_t>(ours.shape[2]),
          .taps = static_cast<std::uint32_t>(ours.shape[0] * ours.shape[1])};
}

LaunchShape ShapeFor(std::int64_t elements) {
  return {.grid = dim3(static_cast<unsigned>(DivideUp(elements, kBlock))), .block = dim3(kBlock)};
}

template <class From, class To>
void Run(Context& context, ConstView from, View to) {
  const Weights sizes = SizesOf(from, to);
  Launch(context, "to_cudnn_weights", &ToCudnnWeightsKernel<From, To>, ShapeFor(from.elements()),
         from.As<From>(), to.As<To>(), sizes.channels, sizes.taps);
}

}  // namespace

void ToCudnnWeights(Context& context, ConstView from, View to) {
  if (from.dtype == DType::kF32) return Run<float, float>(context, from, to);
  if (to.dtype == DType::kBf16) return Run<BFloat16, BFloat16>(context, from, to);
  Run<BFloat16, float>(context, from, to);
}

void FromCudnnWeights(Context& context, ConstView from, bool accumulate, View to) {
  const Weights sizes = SizesOf(to, from);
  Launch(context, "from_cudnn_weights", &FromCudnnWeightsKernel, ShapeFor(to.elements()),
         from.As<float>(), to.As<float>(), sizes.channels, sizes.taps, accumulate);
}

}  // namespace nasengine::cuda
