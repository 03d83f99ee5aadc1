// The bytes that a training step of the fused MBConv asks of a CUDA device's memory, counted from
// its launches, beside the least that fusing leaves. Plain arithmetic, apart from CUDA.
//
// Counted once is what finds its data in the cache: weights; a tile of a product's rows, which the
// blocks of all columns read at about the same time; and what the second of two products that take
// turns (mbconv_cuda_plan.h) reads of its slice. Parts of a weights' gradient, to which every slice
// adds, count once there and back. A card has to confirm all that.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/mbconv_cuda_plan.h"
#include "kernels/cuda/kernel_traffic.h"
#include "kernels/norm/batch_norm_cuda_plan.h"

namespace nasengine::cuda::mbconv {

struct PassTraffic {
  double bytes = 0;  // of tensors, weights, and sums of channels
  double parts = 0;  // partial sums of weights' gradients, there and back
  double least = 0;  // of tensors alone
};

namespace traffic {

inline std::int64_t Tiles(std::int64_t rows) { return DivideUp(rows, kProductRows); }

// Without parts of a weights' gradient.
inline double Depthwise(const MarchMap& map, const MarchPlan& plan) {
  const MarchTraffic traffic = TrafficOf(map, plan);
  return traffic.map + traffic.units + (plan.parts > 0 ? 0.0 : traffic.weights) +
         ChannelSumBytes(Blocks(map, plan) / plan.chunks, map.channels);
}

// Parts of a weights' gradient, there and back, and their sum.
inline double Parts(const LayerSizes& all, std::int64_t element_bytes, std::int64_t cache_bytes,
                    int multiprocessors) {
  const WeightsPlan plan(multiprocessors, SlicesInTurn(all, element_bytes, cache_bytes).first());
  return 2 * static_cast<double>(plan.bytes()) + 4.0 * static_cast<double>(all.in * all.out);
}

// Bytes of the tensors of images.
struct Sizes {
  double x, e1, e2, o;
};
inline Sizes SizesOf(const MbconvGeometry& g, std::int64_t element_bytes, bool expands) {
  const auto bytes = [&](std::int64_t rows, std::int64_t channels) {
    return static_cast<double>(rows * channels * element_bytes);
  };
  const std::int64_t rows = ExpandSizes(g).rows;
  const std::int64_t out_rows = ProjectSizes(g).rows;
  return {bytes(rows, g.c_in), expands ? bytes(rows, g.expanded) : 0, bytes(out_rows, g.expanded),
          bytes(out_rows, g.c_out)};
}

}  // namespace traffic

// x, e1, e1, e2, e2, o, o, y.
inline PassTraffic ForwardTraffic(const MbconvGeometry& g, std::int64_t element_bytes, bool expands,
                                  int multiprocessors) {
  const traffic::Sizes sizes = traffic::SizesOf(g, element_bytes, expands);
  const LayerSizes expand = ExpandSizes(g);
  const LayerSizes project = ProjectSizes(g);
  const MarchMap map = ForwardMap(g.depthwise(), element_bytes);
  const MarchPlan plan =
      PlanMarch(map, FusedTile(element_bytes, g.kernel, g.stride), multiprocessors);
  PassTraffic traffic{.least = sizes.x + 2 * sizes.e1 + 2 * sizes.e2 + 3 * sizes.o};
  if (expands) {
    traffic.bytes += sizes.x + sizes.e1 + ChannelSumBytes(traffic::Tiles(expand.rows), expand.out) +
                     static_cast<double>(expand.in * expand.out * element_bytes);
  }
  traffic.bytes += traffic::Depthwise(map, plan);
  traffic.bytes += sizes.e2 + sizes.o + ChannelSumBytes(traffic::Tiles(project.rows), project.out) +
                   static_cast<double>(project.in * project.out * element_bytes);
  traffic.bytes += 2 * sizes.o;
  return traffic;
}

// dy, o, dy, o, e2, g2, g2, e2, e1, g1, g1, e1, x, dx, with all gradients of weights.
inline PassTraffic BackwardTraffic(const MbconvGeometry& g, std::int64_t element_bytes,
                                   bool expands, int multiprocessors, std::int64_t cache_bytes) {
  const traffic::Sizes sizes = traffic::SizesOf(g, element_bytes, expands);
  const LayerSizes expand = ExpandSizes(g);
  const LayerSizes project = ProjectSizes(g);
  const MarchMap map = GradientsMap(g, element_bytes);
  const auto weights = [&](const LayerSizes& layer) {
    return static_cast<double>(layer.in * layer.out * element_bytes);
  };
  const auto parts = [&](const LayerSizes& layer) {
    return traffic::Parts(layer, element_bytes, cache_bytes, multiprocessors);
  };
  PassTraffic traffic{.least = 4 * sizes.o + 4 * sizes.e2 + 4 * sizes.e1 + 2 * sizes.x};
  traffic.bytes += 2 * sizes.o + ChannelSumBytes(kNormBlocks * multiprocessors, g.c_out);
  traffic.bytes += 2 * sizes.o + 2 * sizes.e2 + weights(project) +
                   ChannelSumBytes(traffic::Tiles(project.rows), project.in);
  const MarchPlan plan = GradientsPlan(g, map, expands, multiprocessors);
  traffic.bytes += traffic::Depthwise(map, plan);
  traffic.parts += parts(project) + TrafficOf(map, plan).weights;
  if (expands) {
    traffic.bytes += 2 * sizes.e1 + 2 * sizes.x + weights(expand);
    traffic.parts += parts(expand);
  }
  return traffic;
}

}  // namespace nasengine::cuda::mbconv
