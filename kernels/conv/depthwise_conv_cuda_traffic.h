// What a launch of our CUDA kernels of depthwise convolution asks of memory: the layout of its
// blocks over the map, and the bytes that follow from it. Plain arithmetic, apart from CUDA, so
// that the kernels' host side and a test use the same.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "kernels/cuda/divide_up.h"

namespace nasengine::cuda {

// What a kernel marches over: units of output, rows by columns, each of which sees a window of the
// map that is read. A unit is a pixel, or 2x2 of them for backward-data of stride 2.
struct MarchMap {
  std::int64_t images = 0;
  std::int64_t channels = 1;
  std::int64_t in_h = 1;
  std::int64_t in_w = 1;
  std::int64_t out_h = 1;
  std::int64_t out_w = 1;
  std::int64_t window = 1;
  std::int64_t stride = 1;
  std::int64_t pad = 0;
  std::int64_t element_bytes = 4;
  std::int64_t taps = 1;            // of a channel's kernel
  std::int64_t units_elements = 0;  // of all units: written, or read once beside the map
  std::int64_t map_tensors = 1;     // that an element of the map is made of
  std::int64_t unit_tensors = 1;    // of the units' shape, written or read
};

// A thread owns `vector` channels of a strip of `width` units.
struct MarchTile {
  int vector = 1;
  int width = 1;
  bool operator==(const MarchTile&) const = default;
};

// A block owns `groups` groups of `vector` channels (threadIdx.x), of each of `images` images
// `strips` column strips (threadIdx.y, strip by strip, then image by image), and `rows` rows.
struct MarchPlan {
  MarchTile tile;
  int groups = 1;
  int chunks = 1;  // blocks across the channels
  int images = 1;
  int strips = 1;
  int column_blocks = 1;
  int rows = 1;
  int bands = 1;  // blocks across the rows
  // Backward-weights alone: so many blocks share a chunk's items, which are (image, band, column
  // block), `images` at a time, and give a sum each for every tap and channel.
  int parts = 0;

  int threads() const { return groups * images * strips; }
  int warps() const { return (threads() + 31) / 32; }
  std::int64_t channels() const { return std::int64_t{groups} * tile.vector; }
};

inline std::int64_t Items(const MarchMap& map, const MarchPlan& plan) {
  return map.images * plan.bands * plan.column_blocks;
}

inline std::int64_t Blocks(const MarchMap& map, const MarchPlan& plan) {
  const std::int64_t across =
      plan.parts > 0 ? plan.parts
                     : DivideUp(map.images, plan.images) * plan.bands * plan.column_blocks;
  return across * plan.chunks;
}

// Bytes that blocks ask of global memory: what a block reads again counts once, what another block
// reads again counts again. `least` is everything once.
struct MarchTraffic {
  double map = 0;      // what is seen through windows
  double units = 0;    // what is written, or read, once
  double weights = 0;  // read by every block; of backward-weights partial sums there and back
  double least = 0;
  double ratio() const { return (map + units + weights) / least; }
};

namespace march {

inline constexpr std::int64_t kSectorBytes = 32;  // what memory gives at least

// Positions of an axis of `size` that blocks of `step` units out of `units` read.
inline std::int64_t Covered(const MarchMap& map, std::int64_t units, std::int64_t step,
                            std::int64_t size) {
  std::int64_t sum = 0;
  for (std::int64_t first = 0; first < units; first += step) {
    const std::int64_t last = std::min(first + step, units) - 1;
    const std::int64_t begin = std::max<std::int64_t>(first * map.stride - map.pad, 0);
    const std::int64_t end = std::min(last * map.stride - map.pad + map.window, size);
    sum += std::max<std::int64_t>(end - begin, 0);
  }
  return sum;
}

// Bytes of a pixel that the chunks ask for together, over its own: a piece that does not begin with
// a sector asks for another one, on average in proportion.
inline double SectorRatio(const MarchMap& map, const MarchPlan& plan) {
  const std::int64_t pixel = map.channels * map.element_bytes;
  if (plan.chunks == 1) return 1;
  const std::int64_t step =
      std::gcd(std::gcd(pixel, plan.channels() * map.element_bytes), kSectorBytes);
  return static_cast<double>(pixel + plan.chunks * (kSectorBytes - step)) /
         static_cast<double>(pixel);
}

}  // namespace march

inline MarchTraffic TrafficOf(const MarchMap& map, const MarchPlan& plan) {
  const std::int64_t rows = march::Covered(map, map.out_h, plan.rows, map.in_h);
  const std::int64_t columns =
      march::Covered(map, map.out_w, std::int64_t{plan.strips} * plan.tile.width, map.in_w);
  const std::int64_t pixel = map.channels * map.element_bytes;
  const double sectors = march::SectorRatio(map, plan);
  const auto units = static_cast<double>(map.unit_tensors * map.units_elements * map.element_bytes);
  const auto taps = static_cast<double>(map.taps * map.channels);
  MarchTraffic traffic;
  traffic.map =
      sectors * static_cast<double>(map.map_tensors * map.images * rows * columns * pixel);
  traffic.units = sectors * units;
  traffic.least =
      units + static_cast<double>(map.map_tensors * map.images * map.in_h * map.in_w * pixel);
  if (plan.parts > 0) {
    traffic.weights = (2.0 * plan.parts + 1) * sizeof(float) * taps;
    traffic.least += sizeof(float) * taps;
  } else {
    const std::int64_t readers = Blocks(map, plan) / plan.chunks;
    traffic.weights = static_cast<double>(readers) * static_cast<double>(map.element_bytes) * taps;
    traffic.least += static_cast<double>(map.element_bytes) * taps;
  }
  return traffic;
}

}  // namespace nasengine::cuda
