// From a plan to a launch: what the host sides of our CUDA depthwise convolution share.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/depthwise_conv_cuda.cuh"
#include "kernels/conv/depthwise_conv_cuda.h"
#include "kernels/cuda/launch.h"

namespace nasengine::cuda {

inline MarchArgs ArgsOf(const MarchMap& map, const MarchPlan& plan) {
  MarchArgs args;
  args.all_images = static_cast<int>(map.images);
  args.channels = static_cast<int>(map.channels);
  args.in_h = static_cast<int>(map.in_h);
  args.in_w = static_cast<int>(map.in_w);
  args.out_h = static_cast<int>(map.out_h);
  args.out_w = static_cast<int>(map.out_w);
  args.pad = static_cast<int>(map.pad);
  args.chunks = plan.chunks;
  args.groups = plan.groups;
  args.images = plan.images;
  args.strips = plan.strips;
  args.column_blocks = plan.column_blocks;
  args.rows = plan.rows;
  args.bands = plan.bands;
  args.parts = plan.parts;
  return args;
}

// Of a kernel compiled for `tile`, which must be the plan's.
inline LaunchShape ShapeOf(const MarchMap& map, const MarchPlan& plan, const MarchTile& tile,
                           std::size_t shared_bytes) {
  NAS_CHECK(plan.tile == tile, "depthwise: a plan of ", plan.tile.vector, "x", plan.tile.width,
            " for a kernel of ", tile.vector, "x", tile.width);
  return {
      dim3(static_cast<unsigned>(Blocks(map, plan))),
      dim3(static_cast<unsigned>(plan.groups), static_cast<unsigned>(plan.images * plan.strips)),
      shared_bytes};
}

inline std::size_t TapBytes(const MarchMap& map, const MarchPlan& plan) {
  return static_cast<std::size_t>(map.taps * plan.channels()) * sizeof(float);
}

// Calls body(std::integral_constant<int, K>{}) for a kernel of 3, 5 or 7.
template <class Body>
bool WithKernel(std::int64_t kernel, const Body& body) {
  switch (kernel) {
    case 3:
      return body(std::integral_constant<int, 3>{});
    case 5:
      return body(std::integral_constant<int, 5>{});
    case 7:
      return body(std::integral_constant<int, 7>{});
    default:
      return false;
  }
}

}  // namespace nasengine::cuda
