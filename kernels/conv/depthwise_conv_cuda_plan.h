// How our CUDA kernels of depthwise convolution share a map among blocks: the layout whose traffic
// (depthwise_conv_cuda_traffic.h) is near the least, yet with warps enough to fill the device.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/conv/conv_geometry.h"
#include "kernels/conv/depthwise_conv_cuda_traffic.h"

namespace nasengine::cuda {

inline constexpr int kMostMarchThreads = 256;
// Of the least bytes, that a launch may ask for where there is work for all multiprocessors.
inline constexpr double kMostMarchTraffic = 1.15;

// The tiles that are compiled, of those measured on an H200 the best ones or close to them. 5x5 and
// wider take a word of channels, so that their sums leave registers for several blocks.
constexpr MarchTile ForwardTile(std::int64_t element_bytes, std::int64_t kernel,
                                std::int64_t stride) {
  if (kernel > 3) return {static_cast<int>(4 / element_bytes), 7};
  if (stride == 1) return {2, 7};
  return {static_cast<int>(8 / element_bytes), 4};
}
// The tile of a map that is transformed or whose results are summed up: as of a plain one, but that
// the sums of 7x7 in bf16 leave no registers for it.
constexpr MarchTile FusedTile(std::int64_t element_bytes, std::int64_t kernel,
                              std::int64_t stride) {
  if (kernel == 7 && element_bytes == 2) return {2, 4};
  return ForwardTile(element_bytes, kernel, stride);
}
constexpr MarchTile Stride2GradientTile(std::int64_t kernel) {
  return kernel > 5 ? MarchTile{2, 4} : MarchTile{4, 2};
}
constexpr MarchTile WeightsTile(std::int64_t element_bytes, std::int64_t kernel) {
  if (kernel == 3) return {static_cast<int>(8 / element_bytes), 4};
  return {static_cast<int>(4 / element_bytes), kernel == 7 && element_bytes == 2 ? 4 : 7};
}

// Rows of the map that a block of a large kernel has in shared memory, one of them computed with.
inline constexpr int kStages = 3;
// Leaves three blocks on a multiprocessor of 228 KiB, and is there on every one.
inline constexpr std::int64_t kMostSharedBytes = 64 << 10;

// A pixel's row of the block's images, borders included.
inline std::int64_t StageElements(const MarchMap& map, const MarchPlan& plan) {
  const std::int64_t columns =
      (std::int64_t{plan.strips} * plan.tile.width - 1) * map.stride + map.window;
  return plan.images * columns * plan.channels();
}
// Taps in f32, then kStages stages of each tensor.
inline std::int64_t StagedBytes(const MarchMap& map, const MarchPlan& plan) {
  return map.taps * plan.channels() * static_cast<std::int64_t>(sizeof(float)) +
         kStages * map.map_tensors * StageElements(map, plan) * map.element_bytes;
}

// x to y.
inline MarchMap ForwardMap(const ConvGeometry& g, std::int64_t element_bytes) {
  return {.images = g.n,
          .channels = g.c_in,
          .in_h = g.h,
          .in_w = g.w,
          .out_h = g.out_h(),
          .out_w = g.out_w(),
          .window = g.kernel,
          .stride = g.stride,
          .pad = g.pad,
          .element_bytes = element_bytes,
          .taps = g.kernel * g.kernel,
          .units_elements = g.n * g.out_h() * g.out_w() * g.c_in};
}

// dy to dx. Stride 1 is the forward map with the kernel turned; of stride 2 (and pad kernel / 2)
// every 2x2 pixels see the same window.
inline MarchMap BackwardDataMap(const ConvGeometry& g, std::int64_t element_bytes) {
  MarchMap map = ForwardMap(g, element_bytes);
  map.in_h = g.out_h();
  map.in_w = g.out_w();
  map.units_elements = g.n * g.h * g.w * g.c_in;
  map.stride = 1;
  if (g.stride == 1) {
    map.out_h = g.h;
    map.out_w = g.w;
    map.pad = g.kernel - 1 - g.pad;
  } else {
    map.out_h = DivideUp(g.h, 2);
    map.out_w = DivideUp(g.w, 2);
    map.window = g.kernel / 2 + 1;
    map.pad = g.kernel / 4;
  }
  return map;
}

namespace march {

inline constexpr std::int64_t kPieceBytes = 64;  // of a pixel, that a block asks for at least
inline constexpr int kMostStrips = 16;
// Blocks across the columns, as multiples of the fewest: the usual, and what is tried besides where
// these ask for more than kMostMarchTraffic, since narrow blocks can own a pixel's every channel.
inline constexpr int kUsualSplits = 2;
inline constexpr int kMostSplits = 8;
inline constexpr int kUsualThreads = 128;
// Warps on a multiprocessor from which on more of them gained nothing (H200, batch 64).
inline constexpr std::int64_t kFullWarps = 12;
// Pixels that one f32 of backward-weights sums up before partial sums are added; more only where
// there are no more items to share out.
inline constexpr std::int64_t kUsualTerms = 256;

inline bool Full(const MarchMap& map, const MarchPlan& plan, int multiprocessors) {
  return Blocks(map, plan) * plan.warps() >= kFullWarps * multiprocessors;
}

// What lanes without work, a block far from the usual size and multiprocessors without a block
// cost, in shares of the whole.
inline double Waste(const MarchMap& map, const MarchPlan& plan, int usual, int multiprocessors) {
  const std::int64_t used =
      map.images * (map.channels / plan.tile.vector) * DivideUp(map.out_w, plan.tile.width);
  const std::int64_t lanes = std::int64_t{32} * plan.warps() * plan.chunks * plan.column_blocks *
                             DivideUp(map.images, plan.images);
  const double size = std::abs(std::log2(static_cast<double>(plan.threads()) / usual));
  const double spread = std::min(1.0, static_cast<double>(Blocks(map, plan)) / multiprocessors);
  return static_cast<double>(lanes) / static_cast<double>(std::max<std::int64_t>(used, 1)) +
         0.05 * size - 0.5 * spread;
}

// For backward-weights: blocks that fill the device, and so many that no sum gets long.
inline int PartsOf(const MarchMap& map, const MarchPlan& plan, int multiprocessors) {
  const std::int64_t items = Items(map, plan);
  const std::int64_t full =
      DivideUp(kFullWarps * multiprocessors, std::int64_t{plan.chunks} * plan.warps());
  const std::int64_t accurate =
      DivideUp(items * plan.rows * plan.tile.width, kUsualTerms * plan.images);
  const std::int64_t most = std::max<std::int64_t>(DivideUp(items, plan.images), 1);
  return static_cast<int>(std::min(std::max(full, accurate), most));
}

// Channels, columns and images of a block: of the widths that are whole pieces, or everything, the
// one that asks for the fewest bytes and wastes the least. `complete` sets what follows from them.
template <class Complete>
MarchPlan PlanBlock(const MarchMap& map, MarchTile tile, int usual, int multiprocessors,
                    const Complete& complete) {
  const std::int64_t all = map.channels / tile.vector;
  const std::int64_t strips = DivideUp(map.out_w, tile.width);
  const std::int64_t step =
      std::max<std::int64_t>(kPieceBytes / (tile.vector * map.element_bytes), 1);
  MarchPlan best;
  double best_cost = 0;
  MarchPlan plan;
  plan.tile = tile;
  plan.rows = static_cast<int>(map.out_h);
  const auto enough = [&](int splits) {
    if (splits < kUsualSplits) return false;
    return splits >= kMostSplits || plan.strips == 1 ||
           TrafficOf(map, best).ratio() <= kMostMarchTraffic;
  };
  for (int split = 1; !enough(split - 1); ++split) {
    plan.column_blocks = static_cast<int>(DivideUp(strips, kMostStrips)) * split;
    plan.strips = static_cast<int>(DivideUp(strips, plan.column_blocks));
    for (std::int64_t i = 1; (i - 1) * step < all; ++i) {
      plan.groups = static_cast<int>(std::min(i * step, all));
      plan.chunks = static_cast<int>(DivideUp(all, plan.groups));
      plan.images = 1;
      if (plan.threads() > kMostMarchThreads) break;
      for (; plan.threads() <= kMostMarchThreads; plan.images *= 2) {
        if (plan.images > 1 && plan.images > map.images) break;
        if (StagedBytes(map, plan) > kMostSharedBytes) break;
        complete(plan);
        const double cost = TrafficOf(map, plan).ratio() + Waste(map, plan, usual, multiprocessors);
        if (best_cost != 0 && cost >= best_cost) continue;
        best = plan;
        best_cost = cost;
      }
    }
  }
  return best;
}

// Bands as high as the device is full with, and lower than what keeps to kMostMarchTraffic only
// where too few multiprocessors have a block.
template <class Complete>
MarchPlan PlanBands(const MarchMap& map, MarchPlan plan, int multiprocessors,
                    const Complete& complete) {
  for (std::int64_t bands = 2; bands <= map.out_h; ++bands) {
    MarchPlan lower = plan;
    lower.rows = static_cast<int>(DivideUp(map.out_h, bands));
    lower.bands = static_cast<int>(DivideUp(map.out_h, lower.rows));
    complete(lower);
    if (4 * Blocks(map, plan) >= 3 * std::int64_t{multiprocessors}) {
      if (Full(map, plan, multiprocessors)) break;
      if (TrafficOf(map, lower).ratio() > kMostMarchTraffic) break;
    }
    plan = lower;
  }
  return plan;
}

}  // namespace march

// Launch bounds above the most threads of a block, which spare the registers for three blocks of
// the usual size on a multiprocessor.
inline constexpr int kMarchBounds = 3 * march::kUsualThreads;

// For kernels that write the units that they march over.
inline MarchPlan PlanMarch(const MarchMap& map, MarchTile tile, int multiprocessors) {
  const auto complete = [](MarchPlan&) {};
  return march::PlanBands(
      map, march::PlanBlock(map, tile, march::kUsualThreads, multiprocessors, complete),
      multiprocessors, complete);
}

// For backward-weights: larger blocks, each of which adds up before it writes sums.
inline MarchPlan PlanWeights(const MarchMap& map, MarchTile tile, int multiprocessors) {
  const auto complete = [&](MarchPlan& plan) {
    plan.parts = march::PartsOf(map, plan, multiprocessors);
  };
  return march::PlanBands(
      map, march::PlanBlock(map, tile, 2 * march::kUsualThreads, multiprocessors, complete),
      multiprocessors, complete);
}

}  // namespace nasengine::cuda
