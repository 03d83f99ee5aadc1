// What our matrix products of a pointwise convolution or a linear layer ask of a CUDA device.
//
// The blocks of one tile of rows follow each other, so that the rows are in the cache for all of
// them but the first; weights stay there, and so do the parts of their gradient.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/matrix_product_cuda_plan.h"
#include "kernels/cuda/kernel_traffic.h"

namespace nasengine::cuda {

// y (rows, out) = x (rows, in) times weights; backward-data is the same with in and out exchanged.
inline KernelTraffic LayerTraffic(const LayerSizes& sizes, std::int64_t element_bytes) {
  const std::int64_t row_tiles = DivideUp(sizes.rows, kProductRows);
  const std::int64_t column_tiles = ColumnTiles(sizes.out);
  const auto bytes = [&](std::int64_t elements) {
    return static_cast<double>(elements * element_bytes);
  };
  const double x = bytes(sizes.rows * sizes.in);
  const double y = bytes(sizes.rows * sizes.out);
  const double weights = bytes(sizes.in * sizes.out);
  KernelTraffic traffic;
  traffic.blocks = row_tiles * column_tiles;
  traffic.asked =
      x * static_cast<double>(column_tiles) + weights * static_cast<double>(row_tiles) + y;
  traffic.bytes = x + weights + y;
  traffic.least = traffic.bytes;
  traffic.flops = 2.0 * static_cast<double>(sizes.rows * sizes.in * sizes.out);
  return traffic;
}

// dw (out, in), f32.
inline KernelTraffic LayerWeightsTraffic(const LayerSizes& sizes, std::int64_t element_bytes,
                                         int multiprocessors) {
  const WeightsPlan plan(multiprocessors, sizes);
  const std::int64_t row_tiles = DivideUp(plan.shape.rows, kProductRows);
  const std::int64_t column_tiles = ColumnTiles(plan.shape.columns);
  const auto bytes = [&](std::int64_t of_a_row) {
    return static_cast<double>(sizes.rows * of_a_row * element_bytes);
  };
  const double parts = 2.0 * static_cast<double>(plan.bytes());
  const double weights = static_cast<double>(sizes.in * sizes.out) * sizeof(float);
  KernelTraffic traffic;
  traffic.blocks = row_tiles * column_tiles * plan.splits();
  traffic.asked = bytes(plan.shape.rows) * static_cast<double>(column_tiles) +
                  bytes(plan.shape.columns) * static_cast<double>(row_tiles) + parts + weights;
  traffic.bytes = bytes(sizes.in) + bytes(sizes.out) + weights;
  traffic.least = traffic.bytes;
  traffic.flops = 2.0 * static_cast<double>(sizes.rows * sizes.in * sizes.out);
  return traffic;
}

}  // namespace nasengine::cuda
