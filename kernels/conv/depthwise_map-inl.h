// The loops around a tile of output columns, shared by the two depthwise maps: pieces of work, row
// blocks, tiles, channel vectors. Compiled once per instruction set.
// SPDX-License-Identifier: MIT
#if defined(NASENGINE_KERNELS_CONV_DEPTHWISE_MAP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_KERNELS_CONV_DEPTHWISE_MAP_INL_H_
#undef NASENGINE_KERNELS_CONV_DEPTHWISE_MAP_INL_H_
#else
#define NASENGINE_KERNELS_CONV_DEPTHWISE_MAP_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "kernels/conv/depthwise_conv_highway.h"
#include "kernels/core/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine {
namespace HWY_NAMESPACE {

// True when `wide` columns a tile finish out_w columns no later than `narrow` ones would; two
// columns stand for a tile's own cost.
HWY_INLINE bool PreferTile(std::int64_t out_w, std::int64_t wide, std::int64_t narrow) {
  const std::int64_t wide_cost = (out_w + wide - 1) / wide * (wide + 2);
  const std::int64_t narrow_cost = (out_w + narrow - 1) / narrow * (narrow + 2);
  return wide_cost <= narrow_cost;
}

// One output row of a tile: where it lies and the channels' first addresses.
struct TileRow {
  const float* in;    // image n, channel c
  const float* w;     // tap (0, 0), channel c
  const float* bias;  // channel c, or null
  float* out;         // image n, row y, column 0, channel c
  std::int64_t y;
  std::int64_t x;  // of the tile's first column
};

// Runs Tile::Run(job, lanes, row) for every tile of pieces [begin, end); tiles start at column
// `first_x` and are Tile::kColumns wide.
template <class Tile>
void RunTiles(const depthwise::MapJob& job, std::int64_t first_x, std::int64_t begin,
              std::int64_t end) {
  const std::int64_t groups = job.groups();
  while (begin < end) {
    const std::int64_t block = begin / groups;
    const std::int64_t group = begin % groups;
    const std::int64_t count = std::min(groups - group, end - begin);
    begin += count;
    const std::int64_t n = block / job.blocks();
    const std::int64_t y_begin = block % job.blocks() * job.rows();
    const std::int64_t y_end = std::min(job.out_h, y_begin + job.rows());
    const std::int64_t c_begin = group * depthwise::kChannelGroup;
    const std::int64_t c_end = std::min(job.c, c_begin + count * depthwise::kChannelGroup);
    const float* image = job.in + n * job.in_h * job.in_w * job.c;
    float* out = job.out + n * job.out_h * job.out_w * job.c;
    for (std::int64_t x = first_x; x < job.out_w; x += Tile::kColumns) {
      VisitChannels(c_begin, c_end, [&](const auto& lanes, std::int64_t c) HWY_ATTR {
        for (std::int64_t y = y_begin; y < y_end; ++y) {
          Tile::Run(job, lanes,
                    TileRow{image + c, job.w + c, job.bias == nullptr ? nullptr : job.bias + c,
                            out + y * job.out_w * job.c + c, y, x});
        }
      });
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nasengine
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
