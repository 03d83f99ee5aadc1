// What each kernel of ours with a launch plan asks of a card, beside the least: the table
// tests/fixtures/cuda/kernel_traffic.csv, for typical layers of the ImageNet space at batch 128 on
// 132 multiprocessors (H100, H200). With NASENGINE_WRITE_TABLES=1 the test writes it anew.
//
// Kernels without a plan (elementwise, activation, dropout, loss, pooling, optimiser steps) pass
// over their tensors once, an element to a thread.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <sstream>

#include "kernels/conv/matrix_product_cuda_traffic.h"
#include "kernels/conv/mbconv_cuda_traffic.h"
#include "kernels/core/error.h"
#include "kernels/norm/batch_norm_cuda_plan.h"

namespace nasengine::cuda {
namespace {

constexpr int kMultiprocessors = 132;
constexpr std::int64_t kCacheBytes = std::int64_t{50} << 20;
constexpr std::int64_t kBatch = 128;
constexpr const char* kTable = NASENGINE_FIXTURES "/cuda/kernel_traffic.csv";

// An expanded layer and the block that it is of.
struct Layer {
  std::int64_t size;
  std::int64_t c_in;
  std::int64_t expansion;
  std::int64_t c_out;
  std::int64_t kernel;
  std::int64_t stride;

  MbconvGeometry geometry() const {
    return {.n = kBatch,
            .h = size,
            .w = size,
            .c_in = c_in,
            .expanded = expansion * c_in,
            .c_out = c_out,
            .kernel = kernel,
            .stride = stride};
  }
};
constexpr Layer kLayers[] = {
    {112, 16, 6, 24, 3, 2}, {56, 24, 3, 24, 7, 1},  {28, 40, 6, 40, 5, 1},
    {14, 80, 3, 96, 5, 1},  {14, 96, 6, 192, 7, 2}, {7, 192, 6, 320, 3, 1},
};

// What blocks of a depthwise kernel share is counted for each of them.
KernelTraffic DepthwiseTraffic(const MarchMap& map, const MarchPlan& plan, int products) {
  const MarchTraffic of = TrafficOf(map, plan);
  KernelTraffic traffic;
  traffic.blocks = Blocks(map, plan);
  traffic.asked = of.map + of.units + of.weights;
  traffic.bytes = traffic.asked;
  if (plan.parts > 0) traffic.bytes -= 2.0 * plan.parts * sizeof(float) * map.taps * map.channels;
  traffic.least = of.least;
  traffic.flops = 2.0 * products * static_cast<double>(map.taps) *
                  static_cast<double>(map.images * map.out_h * map.out_w * map.channels);
  return traffic;
}

// Of several launches, whose blocks are not counted.
KernelTraffic PassTraffic(const mbconv::PassTraffic& of, double flops) {
  KernelTraffic traffic;
  traffic.asked = of.bytes + of.parts;
  traffic.bytes = of.bytes;
  traffic.least = of.least;
  traffic.flops = flops;
  return traffic;
}

class KernelTrafficTest : public ::testing::Test {
 protected:
  void Row(const std::string& kernel, const std::string& shape, std::int64_t element_bytes,
           const KernelTraffic& traffic) {
    rows_ << kernel << ',' << shape << ',' << (element_bytes == 4 ? "f32" : "bf16") << ','
          << traffic.blocks << std::fixed << std::setprecision(2) << ',' << traffic.asked / 1e6
          << ',' << traffic.bytes / 1e6 << ',' << traffic.least / 1e6 << ',' << std::setprecision(3)
          << traffic.ratio() << ',' << std::setprecision(1) << traffic.flops / 1e6 << '\n';
  }

  void Products(const MbconvGeometry& g, std::int64_t bytes) {
    for (const LayerSizes& sizes : {mbconv::ExpandSizes(g), mbconv::ProjectSizes(g)}) {
      const std::string shape = StrCat(sizes.rows, "x", sizes.in, "->", sizes.out);
      const KernelTraffic forward = LayerTraffic(sizes, bytes);
      const KernelTraffic back = LayerTraffic({sizes.rows, sizes.out, sizes.in}, bytes);
      const KernelTraffic weights = LayerWeightsTraffic(sizes, bytes, kMultiprocessors);
      EXPECT_GE(forward.asked, forward.bytes) << shape;
      EXPECT_GE(weights.asked, weights.bytes) << shape;
      Row("pointwise_conv_forward", shape, bytes, forward);
      Row("pointwise_conv_backward_data", shape, bytes, back);
      Row("pointwise_conv_backward_weights", shape, bytes, weights);
    }
  }

  void Depthwise(const MbconvGeometry& g, std::int64_t bytes) {
    const ConvGeometry d = g.depthwise();
    const std::string shape = ToString(d);
    const MarchMap map = ForwardMap(d, bytes);
    const MarchMap back = BackwardDataMap(d, bytes);
    const MarchTile tile =
        d.stride == 1 ? ForwardTile(bytes, d.kernel, 1) : Stride2GradientTile(d.kernel);
    const KernelTraffic forward = DepthwiseTraffic(
        map, PlanMarch(map, ForwardTile(bytes, d.kernel, d.stride), kMultiprocessors), 1);
    const KernelTraffic data = DepthwiseTraffic(back, PlanMarch(back, tile, kMultiprocessors), 1);
    const KernelTraffic weights =
        DepthwiseTraffic(map, PlanWeights(map, WeightsTile(bytes, d.kernel), kMultiprocessors), 1);
    EXPECT_LE(forward.ratio(), 1.15) << shape;
    EXPECT_LE(data.ratio(), 1.15) << shape;
    EXPECT_LE(weights.ratio(), 1.15) << shape;
    EXPECT_LE(weights.asked - weights.bytes, kCacheBytes / 3) << shape;
    Row("depthwise_conv_forward", shape, bytes, forward);
    Row("depthwise_conv_backward_data", shape, bytes, data);
    Row("depthwise_conv_backward_weights", shape, bytes, weights);
  }

  void Norms(const MbconvGeometry& g, std::int64_t bytes) {
    const LayerSizes sizes = mbconv::ExpandSizes(g);
    const std::string shape = StrCat(sizes.rows, "x", sizes.out);
    const NormPlan plan =
        PlanNorm(sizes.rows, sizes.out, static_cast<int>(16 / bytes), kMultiprocessors);
    EXPECT_LE(plan.threads(), kNormThreads) << shape;
    const KernelTraffic forward = NormTraffic(plan, bytes, 3);
    const KernelTraffic backward = NormTraffic(plan, bytes, 5);
    // Sums of blocks, which the next launch reads.
    EXPECT_LE(forward.bytes - forward.least, kCacheBytes / 5) << shape;
    Row("batch_norm_forward", shape, bytes, forward);
    Row("batch_norm_backward", shape, bytes, backward);
  }

  void Fused(const MbconvGeometry& g, std::int64_t bytes) {
    const std::string shape = ToString(g);
    const LayerSizes expand = mbconv::ExpandSizes(g);
    const LayerSizes project = mbconv::ProjectSizes(g);
    const double flops =
        2.0 * static_cast<double>(expand.rows * expand.in * expand.out +
                                  project.rows * project.in * (g.kernel * g.kernel + project.out));
    Row("mbconv_forward", shape, bytes,
        PassTraffic(mbconv::ForwardTraffic(g, bytes, true, kMultiprocessors), flops));
    Row("mbconv_backward", shape, bytes,
        PassTraffic(mbconv::BackwardTraffic(g, bytes, true, kMultiprocessors, kCacheBytes),
                    2 * flops));
  }

  std::ostringstream rows_;
};

TEST(ProductTrafficTest, CountsTilesByHand) {
  // 300 rows are 3 tiles, 96 columns 3 of 32: two of 64 would leave a quarter empty.
  const KernelTraffic forward = LayerTraffic({.rows = 300, .in = 40, .out = 96}, 4);
  EXPECT_EQ(forward.blocks, 9);
  EXPECT_EQ(forward.asked, 4 * (3 * 300 * 40 + 3 * 40 * 96 + 300 * 96));
  EXPECT_EQ(forward.bytes, 4 * (300 * 40 + 40 * 96 + 300 * 96));
  EXPECT_EQ(forward.flops, 2 * 300 * 40 * 96);
  // dw (96, 40): 96 rows in a tile of 128 and 40 columns in one of 64, or turned, which is worse.
  // 512 terms in two parts.
  const KernelTraffic weights = LayerWeightsTraffic({.rows = 512, .in = 40, .out = 96}, 4, 132);
  EXPECT_EQ(weights.blocks, 2);
  EXPECT_EQ(weights.asked - weights.bytes, 2 * 2 * 40 * 96 * 4);
  EXPECT_EQ(weights.least, 4 * (512 * 40 + 512 * 96 + 40 * 96));
}

TEST(NormTrafficTest, CountsBlocksByHand) {
  // 96 channels in vectors of 4: 24 threads across, 10 rows of them, 4 rows each at a time.
  const NormPlan plan = PlanNorm(1000, 96, 4, 2);
  EXPECT_EQ(plan.pieces, 1);
  EXPECT_EQ(plan.width, 24);
  EXPECT_EQ(plan.lanes, 10);
  EXPECT_EQ(plan.blocks, 16);  // 25 would have rows, 8 a multiprocessor are wanted
  const KernelTraffic forward = NormTraffic(plan, 4, 3);
  EXPECT_EQ(forward.least, 3 * 1000 * 96 * 4);
  EXPECT_EQ(forward.bytes - forward.least, 2 * 2 * 8 * 16 * 96);
  EXPECT_EQ(PlanNorm(0, 96, 4, 2).blocks, 0);
}

TEST_F(KernelTrafficTest, FiguresAreThoseOfTheTable) {
  rows_ << "# batch 128, 132 multiprocessors; written by kernel_traffic_test with "
           "NASENGINE_WRITE_TABLES=1\n"
           "# kernel,shape,type,blocks,MB asked,MB compulsory,MB least,compulsory/least,MFLOP\n";
  for (const Layer& layer : kLayers) {
    const MbconvGeometry g = layer.geometry();
    for (const std::int64_t bytes : {4, 2}) {
      Products(g, bytes);
      Depthwise(g, bytes);
      Norms(g, bytes);
      Fused(g, bytes);
    }
  }
  if (std::getenv("NASENGINE_WRITE_TABLES") != nullptr) std::ofstream(kTable) << rows_.str();
  std::ifstream file(kTable);
  std::ostringstream table;
  table << file.rdbuf();
  EXPECT_EQ(rows_.str(), table.str()) << "write it anew, and look at what has changed";
}

}  // namespace
}  // namespace nasengine::cuda
