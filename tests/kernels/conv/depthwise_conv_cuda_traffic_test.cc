// The bytes that our CUDA kernels of depthwise convolution ask of memory, counted on their launch
// plans: close to the least on every layer of the ImageNet space, and blocks for all of a card.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <functional>

#include "kernels/conv/depthwise_conv_cuda_plan.h"
#include "kernels/core/error.h"

namespace nasengine::cuda {
namespace {

constexpr int kMultiprocessors = 132;  // of an H100 or H200

// Depthwise layers: block 0, then the first and the other blocks of each stage, expanded 3 and 6
// times.
struct Layer {
  std::int64_t size;
  std::int64_t channels;
  std::int64_t stride;
};
constexpr Layer kLayers[] = {
    {112, 32, 1}, {112, 48, 2}, {112, 96, 2}, {56, 72, 1},  {56, 144, 1},
    {56, 72, 2},  {56, 144, 2}, {28, 120, 1}, {28, 240, 1}, {28, 120, 2},
    {28, 240, 2}, {14, 240, 1}, {14, 480, 1}, {14, 288, 1}, {14, 576, 1},
    {14, 288, 2}, {14, 576, 2}, {7, 576, 1},  {7, 1152, 1},
};

void ForEachLayer(std::int64_t batch,
                  const std::function<void(const ConvGeometry&, std::int64_t)>& body) {
  for (const Layer& layer : kLayers) {
    for (const std::int64_t kernel : {3, 5, 7}) {
      for (const std::int64_t element_bytes : {4, 2}) {
        const ConvGeometry g{.n = batch,
                             .h = layer.size,
                             .w = layer.size,
                             .c_in = layer.channels,
                             .c_out = layer.channels,
                             .kernel = kernel,
                             .stride = layer.stride,
                             .pad = kernel / 2};
        SCOPED_TRACE(StrCat(ToString(g), " of ", element_bytes, " bytes"));
        body(g, element_bytes);
      }
    }
  }
}

struct Planned {
  MarchMap map;
  MarchPlan plan;
};

Planned Forward(const ConvGeometry& g, std::int64_t element_bytes) {
  const MarchMap map = ForwardMap(g, element_bytes);
  const MarchTile tile = ForwardTile(element_bytes, g.kernel, g.stride);
  return {map, PlanMarch(map, tile, kMultiprocessors)};
}

Planned BackwardData(const ConvGeometry& g, std::int64_t element_bytes) {
  const MarchMap map = BackwardDataMap(g, element_bytes);
  const MarchTile tile =
      g.stride == 1 ? ForwardTile(element_bytes, g.kernel, 1) : Stride2GradientTile(g.kernel);
  return {map, PlanMarch(map, tile, kMultiprocessors)};
}

Planned BackwardWeights(const ConvGeometry& g, std::int64_t element_bytes) {
  const MarchMap map = ForwardMap(g, element_bytes);
  return {map, PlanWeights(map, WeightsTile(element_bytes, g.kernel), kMultiprocessors)};
}

std::string Describe(const Planned& planned) {
  const MarchPlan& p = planned.plan;
  return StrCat(Blocks(planned.map, p), " blocks of ", p.groups, "x", p.images, "x", p.strips,
                " threads, ", p.rows, " rows, ", p.parts, " parts");
}

TEST(DepthwiseTrafficTest, CountsWhatAPlanReadsByHand) {
  // 8 x 8 x 16 f32, 3x3: two bands of 4 rows read 5 rows each, blocks of 8 channels a whole sector.
  const ConvGeometry g{
      .n = 1, .h = 8, .w = 8, .c_in = 16, .c_out = 16, .kernel = 3, .stride = 1, .pad = 1};
  const MarchMap map = ForwardMap(g, 4);
  MarchPlan plan;
  plan.tile = {.vector = 2, .width = 4};
  plan.groups = 4;
  plan.chunks = 2;
  plan.strips = 2;
  plan.rows = 4;
  plan.bands = 2;
  MarchTraffic traffic = TrafficOf(map, plan);
  EXPECT_EQ(Blocks(map, plan), 4);
  EXPECT_EQ(traffic.map, 2 * 5 * 8 * 16 * 4);
  EXPECT_EQ(traffic.units, 8 * 8 * 16 * 4);
  EXPECT_EQ(traffic.weights, 2 * 9 * 16 * 4);
  EXPECT_EQ(traffic.least, (2 * 8 * 8 + 9) * 16 * 4);
  // One strip a block: each reads a column of its neighbour's.
  plan.strips = 1;
  plan.column_blocks = 2;
  EXPECT_EQ(TrafficOf(map, plan).map, 2 * 5 * (5 + 5) * 16 * 4);
  // Pieces of 12 channels, 48 bytes, begin amid a sector every other time.
  plan.groups = 6;
  EXPECT_EQ(TrafficOf(map, plan).units, 8 * 8 * (16 * 4 + 2 * 16));
}

TEST(DepthwiseTrafficTest, LargeBatchesOfEveryLayerAskForLittleMoreThanTheLeast) {
  for (const std::int64_t batch : {128, 256}) {
    ForEachLayer(batch, [](const ConvGeometry& g, std::int64_t element_bytes) {
      for (const Planned& planned : {Forward(g, element_bytes), BackwardData(g, element_bytes)}) {
        EXPECT_LE(TrafficOf(planned.map, planned.plan).ratio(), 1.15) << Describe(planned);
        EXPECT_GE(Blocks(planned.map, planned.plan), kMultiprocessors * 3 / 4) << Describe(planned);
      }
    });
  }
}

// At 64 images the narrow bf16 layers have not work enough for all multiprocessors.
TEST(DepthwiseTrafficTest, SmallBatchesAskForMoreOnlyToOccupyTheCard) {
  ForEachLayer(64, [](const ConvGeometry& g, std::int64_t element_bytes) {
    for (const Planned& planned : {Forward(g, element_bytes), BackwardData(g, element_bytes)}) {
      EXPECT_TRUE(TrafficOf(planned.map, planned.plan).ratio() <= 1.15 ||
                  (element_bytes == 2 && Blocks(planned.map, planned.plan) <= kMultiprocessors))
          << Describe(planned);
    }
  });
}

// What the gradient of weights writes and reads of partial sums besides stays in a cache of 50 MB;
// it is f32 beside bf16 maps.
TEST(DepthwiseTrafficTest, GradientsOfWeightsReadTheirMapsOnce) {
  for (const std::int64_t batch : {128, 256}) {
    ForEachLayer(batch, [](const ConvGeometry& g, std::int64_t element_bytes) {
      const Planned planned = BackwardWeights(g, element_bytes);
      const MarchTraffic traffic = TrafficOf(planned.map, planned.plan);
      EXPECT_LE(traffic.map + traffic.units, 1.15 * traffic.least) << Describe(planned);
      EXPECT_LE(traffic.weights, 0.21 * traffic.least) << Describe(planned);
      EXPECT_LE(traffic.weights, 16 << 20) << Describe(planned);
      EXPECT_LE(traffic.ratio(), element_bytes == 4 ? 1.15 : 1.25) << Describe(planned);
      EXPECT_GE(Blocks(planned.map, planned.plan), kMultiprocessors * 3 / 4) << Describe(planned);
    });
  }
}

TEST(DepthwiseTrafficTest, BlocksAreWhatADeviceTakes) {
  for (const std::int64_t batch : {1, 2, 64}) {
    ForEachLayer(batch, [](const ConvGeometry& g, std::int64_t element_bytes) {
      for (const Planned& planned : {Forward(g, element_bytes), BackwardData(g, element_bytes),
                                     BackwardWeights(g, element_bytes)}) {
        const MarchPlan& plan = planned.plan;
        EXPECT_LE(plan.threads(), kMostMarchThreads);
        EXPECT_LE(StagedBytes(planned.map, plan), kMostSharedBytes);
        EXPECT_GE(plan.bands * plan.rows, planned.map.out_h);
        EXPECT_GE(plan.column_blocks * plan.strips * plan.tile.width, planned.map.out_w);
        EXPECT_GE(plan.chunks * plan.channels(), planned.map.channels);
        EXPECT_LT((plan.bands - 1) * plan.rows, planned.map.out_h);
      }
    });
  }
}

}  // namespace
}  // namespace nasengine::cuda
