// How the fused MBConv on CUDA shares its work out: plain arithmetic, apart from CUDA, so that its
// host side and its model of traffic use the same.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/conv/depthwise_conv_cuda_plan.h"
#include "kernels/conv/matrix_product_cuda_plan.h"
#include "kernels/conv/mbconv.h"

namespace nasengine::cuda::mbconv {

inline LayerSizes ExpandSizes(const MbconvGeometry& g) {
  return {.rows = g.n * g.h * g.w, .in = g.c_in, .out = g.expanded};
}
inline LayerSizes ProjectSizes(const MbconvGeometry& g) {
  const ConvGeometry project = g.project();
  return {.rows = project.n * project.h * project.w, .in = g.expanded, .out = g.c_out};
}

// The rows of a layer, in slices for two products that take turns.
struct Slices {
  LayerSizes all;
  std::int64_t rows = 0;

  // The sizes of the first slice, which is none of the smaller ones.
  LayerSizes first() const { return {std::min(rows, all.rows), all.in, all.out}; }
  // body(sizes of a slice, its first row)
  template <class Body>
  void ForEach(const Body& body) const {
    for (std::int64_t row = 0; row < all.rows; row += rows) {
      body(LayerSizes{std::min(rows, all.rows - row), all.in, all.out}, row);
    }
  }
};

// Even slices, in whole tiles, of which half of the cache holds one: what both products read and
// what the first writes, so that the second finds there what it shares with the first. Small
// slices may leave multiprocessors idle: whether fewer and larger ones would be faster, a card has
// to tell.
inline Slices SlicesInTurn(const LayerSizes& all, std::int64_t element_bytes,
                           std::int64_t cache_bytes) {
  const std::int64_t row_bytes = 2 * (all.in + all.out) * element_bytes;
  const std::int64_t tiles = DivideUp(all.rows, kProductRows);
  const std::int64_t most = std::max<std::int64_t>(cache_bytes / 2 / (kProductRows * row_bytes), 1);
  const std::int64_t slices = DivideUp(tiles, most);
  return {all, std::max<std::int64_t>(DivideUp(tiles, slices), 1) * kProductRows};
}

// From e2's gradient, made of two tensors, to a1's; which e1's norm passes on, or which is dx.
inline MarchMap DataMap(const MbconvGeometry& g, std::int64_t element_bytes, bool passed) {
  MarchMap map = BackwardDataMap(g.depthwise(), element_bytes);
  map.map_tensors = 2;
  map.unit_tensors = passed ? 2 : 1;
  return map;
}
inline MarchPlan DataPlan(const MbconvGeometry& g, const MarchMap& map, int multiprocessors) {
  const MarchTile tile =
      g.stride == 1 ? FusedTile(map.element_bytes, g.kernel, 1) : Stride2GradientTile(g.kernel);
  return PlanMarch(map, tile, multiprocessors);
}

// The same, with a1 or x read beside it for the gradient of weights.
inline MarchMap GradientsMap(const MbconvGeometry& g, std::int64_t element_bytes) {
  return DataMap(g, element_bytes, true);
}
// As wide as the sums of taps and the window leave registers for, of which nvcc 13.0 takes more
// where the input is not normalised.
constexpr MarchTile GradientsTile(std::int64_t element_bytes, std::int64_t kernel,
                                  std::int64_t stride, bool normalised) {
  const int word = static_cast<int>(4 / element_bytes);
  const bool narrow = element_bytes == 2;
  if (kernel == 3) return stride == 1 ? MarchTile{2, 4} : MarchTile{2 * word, 2};
  if (kernel == 5) return {word, stride == 2 || narrow ? 4 : 7};
  if (stride == 1) return {1, !narrow ? 3 : normalised ? 4 : 2};
  return {word, narrow ? 1 : 4};
}
inline MarchPlan GradientsPlan(const MbconvGeometry& g, const MarchMap& map, bool normalised,
                               int multiprocessors) {
  const MarchTile tile = GradientsTile(map.element_bytes, g.kernel, g.stride, normalised);
  return PlanWeights(map, tile, multiprocessors);
}

}  // namespace nasengine::cuda::mbconv
