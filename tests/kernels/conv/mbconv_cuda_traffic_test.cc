// The bytes that a training step of our fused MBConv on CUDA asks of memory, counted on its launch
// plans, against the least that fusing leaves, on every block of the ImageNet space.
// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv_cuda_traffic.h"

#include <gtest/gtest.h>

#include <functional>

#include "kernels/core/error.h"

namespace nasengine::cuda::mbconv {
namespace {

constexpr int kMultiprocessors = 132;                         // of an H100 or H200
constexpr std::int64_t kCacheBytes = std::int64_t{50} << 20;  // theirs

// The blocks after the first: the first and the others of each stage.
struct Block {
  std::int64_t size;
  std::int64_t c_in;
  std::int64_t c_out;
  std::int64_t stride;
};
constexpr Block kBlocks[] = {
    {112, 16, 24, 2}, {56, 24, 24, 1},  {56, 24, 40, 2},  {28, 40, 40, 1},
    {28, 40, 80, 2},  {14, 80, 80, 1},  {14, 80, 96, 1},  {14, 96, 96, 1},
    {14, 96, 192, 2}, {7, 192, 192, 1}, {7, 192, 320, 1},
};

void ForEachBlock(std::int64_t batch,
                  const std::function<void(const MbconvGeometry&, std::int64_t, bool)>& body) {
  const auto visit = [&](const MbconvGeometry& g, bool expands) {
    for (const std::int64_t element_bytes : {4, 2}) {
      SCOPED_TRACE(StrCat(ToString(g), " of ", element_bytes, " bytes"));
      body(g, element_bytes, expands);
    }
  };
  visit({.n = batch, .h = 112, .w = 112, .c_in = 32, .expanded = 32, .c_out = 16}, false);
  for (const Block& block : kBlocks) {
    for (const std::int64_t expansion : {3, 6}) {
      for (const std::int64_t kernel : {3, 5, 7}) {
        visit({.n = batch,
               .h = block.size,
               .w = block.size,
               .c_in = block.c_in,
               .expanded = expansion * block.c_in,
               .c_out = block.c_out,
               .kernel = kernel,
               .stride = block.stride},
              true);
      }
    }
  }
}

TEST(MbconvTrafficTest, CountsWhatAPassReadsByHand) {
  // One tile of rows, one slice, one block a phase where nothing is to be shared out.
  const MbconvGeometry g{
      .n = 1, .h = 8, .w = 8, .c_in = 8, .expanded = 16, .c_out = 8, .kernel = 3, .stride = 1};
  const double x = 64 * 8 * 4, e = 64 * 16 * 4;
  EXPECT_EQ(ForwardTraffic(g, 4, true, 1).least, 4 * x + 4 * e);
  EXPECT_EQ(BackwardTraffic(g, 4, true, 1, kCacheBytes).least, 6 * x + 8 * e);
  const MarchMap map = ForwardMap(g.depthwise(), 4);
  const double depthwise = traffic::Depthwise(map, PlanMarch(map, ForwardTile(4, 3, 1), 1));
  const double sums = 2 * 2 * 8 * (16 + 8);
  const double weights = 2 * 8 * 16 * 4;
  EXPECT_EQ(ForwardTraffic(g, 4, true, 1).bytes, depthwise + 4 * x + 2 * e + sums + weights);
}

constexpr double kMostOfLeast = 1.15;

// Partial sums of weights are bounded by the blocks that the device holds, and stay in the cache;
// where tensors are no larger than some caches, they are a larger share.
TEST(MbconvTrafficTest, AStepAsksForLittleMoreThanTheLeast) {
  for (const std::int64_t batch : {128, 256}) {
    ForEachBlock(batch, [](const MbconvGeometry& g, std::int64_t element_bytes, bool expands) {
      const PassTraffic forward = ForwardTraffic(g, element_bytes, expands, kMultiprocessors);
      const PassTraffic backward =
          BackwardTraffic(g, element_bytes, expands, kMultiprocessors, kCacheBytes);
      const double bytes = forward.bytes + backward.bytes;
      const double least = forward.least + backward.least;
      EXPECT_LE(forward.bytes, kMostOfLeast * forward.least);
      EXPECT_LE(bytes, kMostOfLeast * least) << bytes / least;
      // There and back, of three convolutions.
      EXPECT_LE(backward.parts, 1.2 * kCacheBytes);
      if (least > 10.0 * kCacheBytes) {
        EXPECT_LE(bytes + backward.parts, kMostOfLeast * least);
      }
    });
  }
}

TEST(MbconvTrafficTest, SlicesStayInTheCacheAndAreEven) {
  ForEachBlock(256, [](const MbconvGeometry& g, std::int64_t element_bytes, bool expands) {
    if (!expands) return;
    for (const LayerSizes& all : {ExpandSizes(g), ProjectSizes(g)}) {
      const Slices slices = SlicesInTurn(all, element_bytes, kCacheBytes);
      const LayerSizes slice = slices.first();
      EXPECT_LE(slice.rows * 2 * (slice.in + slice.out) * element_bytes, kCacheBytes / 2);
      EXPECT_TRUE(slice.rows == all.rows || slice.rows % kProductRows == 0);
      std::int64_t rows = 0;
      slices.ForEach([&](const LayerSizes& part, std::int64_t row) {
        EXPECT_EQ(row, rows);
        rows += part.rows;
      });
      EXPECT_EQ(rows, all.rows);
      const std::int64_t count = DivideUp(all.rows, slice.rows);
      EXPECT_LT(slice.rows - all.rows / count, 2 * kProductRows);
    }
  });
}

}  // namespace
}  // namespace nasengine::cuda::mbconv
