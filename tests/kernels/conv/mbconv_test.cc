// The MBConv block: the reference against finite differences, the fused and the composed block
// against the reference, what threads, recomputation and aliasing must not change.
// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv.h"

#include <cstring>

#include "kernels/core/bfloat16.h"
#include "kernels/core/streaming.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

class MbconvTest : public KernelFixture {
 protected:
  // The tensors of one stage of `c` channels.
  struct Stage {
    Tensor w, gamma, beta, mean, inv_std, running_mean, running_var, dw, dgamma, dbeta;
  };
  struct Block {
    MbconvGeometry geometry;
    Tensor x, e1, e2, o, y, dy, dx, g1, g2;
    Stage expand, depthwise, project;
  };

  Stage MakeStage(const Shape& weights, std::int64_t c, double fan, std::uint64_t stream,
                  DType dtype) {
    const DType sums = SumType(dtype);
    return {.w = RandomTensor(weights, stream, dtype, 1 / std::sqrt(fan)),
            .gamma = RandomTensor({c}, stream + 1, sums, 0.3, 1),
            .beta = RandomTensor({c}, stream + 2, sums, 1, 1),
            .mean = RandomTensor({c}, stream + 3, sums),
            .inv_std = RandomTensor({c}, stream + 4, sums),
            .running_mean = RandomTensor({c}, stream + 5, sums),
            .running_var = RandomTensor({c}, stream + 6, sums, 0.1, 1),
            .dw = RandomTensor(weights, stream + 7, sums),
            .dgamma = RandomTensor({c}, stream + 8, sums),
            .dbeta = RandomTensor({c}, stream + 9, sums)};
  }

  Block MakeBlock(const MbconvGeometry& g, DType dtype = DType::kF32) {
    const auto taps = static_cast<double>(g.kernel * g.kernel);
    return {.geometry = g,
            .x = RandomTensor(g.InputShape(), 1, dtype),
            .e1 = RandomTensor(g.E1Shape(), 2, dtype),
            .e2 = RandomTensor(g.E2Shape(), 3, dtype),
            .o = RandomTensor(g.OutputShape(), 4, dtype),
            .y = RandomTensor(g.OutputShape(), 5, dtype),
            .dy = RandomTensor(g.OutputShape(), 6, dtype),
            .dx = RandomTensor(g.InputShape(), 7, dtype),
            .g1 = RandomTensor(g.E1Shape(), 8, dtype),
            .g2 = RandomTensor(g.E2Shape(), 9, dtype),
            .expand =
                MakeStage({g.expanded, g.c_in}, g.expanded, static_cast<double>(g.c_in), 20, dtype),
            .depthwise = MakeStage({g.kernel, g.kernel, g.expanded}, g.expanded, taps, 40, dtype),
            .project = MakeStage({g.c_out, g.expanded}, g.c_out, static_cast<double>(g.expanded),
                                 60, dtype)};
  }

  static MbconvStage Weights(const Stage& stage) { return {stage.w, stage.gamma, stage.beta}; }
  static MbconvForward::Statistics Statistics(const Stage& stage) {
    return {stage.mean, stage.inv_std, stage.running_mean, stage.running_var};
  }
  static MbconvBackward::StageGradient Gradient(const Stage& stage) {
    return {stage.dw, stage.dgamma, stage.dbeta};
  }

  // Without an expansion where expanded is c_in.
  static MbconvForward::Args Forward(const Block& b, bool expands) {
    MbconvForward::Args args{.geometry = b.geometry,
                             .norm = {},
                             .x = b.x,
                             .expand = {},
                             .depthwise = Weights(b.depthwise),
                             .project = Weights(b.project),
                             .e1 = {},
                             .e2 = b.e2,
                             .o = b.o,
                             .y = b.y,
                             .expand_statistics = {},
                             .depthwise_statistics = Statistics(b.depthwise),
                             .project_statistics = Statistics(b.project)};
    if (!expands) return args;
    args.expand = Weights(b.expand);
    args.e1 = b.e1;
    args.expand_statistics = Statistics(b.expand);
    return args;
  }

  static MbconvBackward::Args Backward(const Block& b, bool expands) {
    MbconvBackward::Args args{.geometry = b.geometry,
                              .norm = {},
                              .x = b.x,
                              .e1 = {},
                              .e2 = b.e2,
                              .o = b.o,
                              .dy = b.dy,
                              .expand = {},
                              .depthwise = Weights(b.depthwise),
                              .project = Weights(b.project),
                              .expand_statistics = {},
                              .depthwise_statistics = {b.depthwise.mean, b.depthwise.inv_std},
                              .project_statistics = {b.project.mean, b.project.inv_std},
                              .g1 = {},
                              .g2 = b.g2,
                              .dx = b.dx,
                              .expand_gradient = {},
                              .depthwise_gradient = Gradient(b.depthwise),
                              .project_gradient = Gradient(b.project)};
    if (!expands) return args;
    args.expand = Weights(b.expand);
    args.e1 = b.e1;
    args.g1 = b.g1;
    args.expand_statistics = {b.expand.mean, b.expand.inv_std};
    args.expand_gradient = Gradient(b.expand);
    return args;
  }

  void ExpectAllAgree(const MbconvGeometry& g, bool expands = true,
                      Activation activation = Activation::kRelu6) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      ExpectAllAgree(g, expands, activation, dtype);
    }
  }

  void ExpectAllAgree(const MbconvGeometry& g, bool expands, Activation activation, DType dtype) {
    SCOPED_TRACE(StrCat(g.n, "x", g.h, "x", g.w, " ", g.c_in, "-", g.expanded, "-", g.c_out, " k",
                        g.kernel, " s", g.stride, " ", Name(dtype)));
    const Block block = MakeBlock(g, dtype);
    MbconvForward::Args forward = Forward(block, expands);
    forward.norm.activation = activation;
    ExpectImplementationsAgree<MbconvForward>(forward, 2);
    RunReference<MbconvForward>(forward);
    MbconvBackward::Args backward = Backward(block, expands);
    backward.norm.activation = activation;
    ExpectImplementationsAgree<MbconvBackward>(backward, 2);
    backward.accumulate = true;
    ExpectImplementationsAgree<MbconvBackward>(backward, 2);
    if (g.stride != 1 || !expands) return;
    backward.g1 = backward.g2;
    ExpectImplementationsAgree<MbconvBackward>(backward, 2);
  }
};

TEST_F(MbconvTest, ReferenceGradientsMatchFiniteDifferences) {
  for (const std::int64_t stride : {1, 2}) {
    const MbconvGeometry g{.n = 2,
                           .h = 4,
                           .w = 3,
                           .c_in = 2,
                           .expanded = 4,
                           .c_out = 3,
                           .kernel = 3,
                           .stride = stride};
    const Block b = MakeBlock(g, DType::kF64);
    const auto loss = [&] {
      RunReference<MbconvForward>(Forward(b, true));
      return Dot(b.y, b.dy);
    };
    loss();
    RunReference<MbconvBackward>(Backward(b, true));
    ExpectGradient(b.x, b.dx, loss, 1e-5);
    for (const Stage* stage : {&b.expand, &b.depthwise, &b.project}) {
      ExpectGradient(stage->w, stage->dw, loss, 1e-5);
      ExpectGradient(stage->gamma, stage->dgamma, loss, 1e-5);
      ExpectGradient(stage->beta, stage->dbeta, loss, 1e-5);
    }
  }
}

TEST_F(MbconvTest, AllImplementationsAgree) {
  for (const std::int64_t kernel : {3, 5, 7}) {
    for (const std::int64_t stride : {1, 2}) {
      ExpectAllAgree({.n = 3,
                      .h = 9,
                      .w = 14,
                      .c_in = 8,
                      .expanded = 48,
                      .c_out = 24,
                      .kernel = kernel,
                      .stride = stride});
      ExpectAllAgree({.n = 2,
                      .h = 7,
                      .w = 7,
                      .c_in = 20,
                      .expanded = 120,
                      .c_out = 33,
                      .kernel = kernel,
                      .stride = stride});
      ExpectAllAgree({.n = 4,
                      .h = 28,
                      .w = 29,
                      .c_in = 17,
                      .expanded = 34,
                      .c_out = 17,
                      .kernel = kernel,
                      .stride = stride});
      ExpectAllAgree({.n = 1,
                      .h = 13,
                      .w = 1,
                      .c_in = 1,
                      .expanded = 3,
                      .c_out = 1,
                      .kernel = kernel,
                      .stride = stride});
      ExpectAllAgree({.n = 2,
                      .h = 3,
                      .w = 2,
                      .c_in = 3,
                      .expanded = 17,
                      .c_out = 5,
                      .kernel = kernel,
                      .stride = stride});
    }
  }
}

// On a card's kernels: more parts of sums than are finished at once, and several slices.
TEST_F(MbconvTest, ImplementationsAgreeOnManyRowsOfFewChannels) {
  ExpectAllAgree(
      {.n = 8, .h = 28, .w = 29, .c_in = 4, .expanded = 8, .c_out = 4, .kernel = 3, .stride = 1});
}

TEST_F(MbconvTest, WideRowsAgree) {
  ExpectAllAgree(
      {.n = 2, .h = 5, .w = 112, .c_in = 4, .expanded = 16, .c_out = 8, .kernel = 7, .stride = 1});
  ExpectAllAgree(
      {.n = 2, .h = 6, .w = 112, .c_in = 4, .expanded = 16, .c_out = 8, .kernel = 5, .stride = 2});
}

// Beyond what is left in the caches, which is written past them.
TEST_F(MbconvTest, LargeTensorsAgree) {
  if (context().device().type != DeviceType::kCpu) GTEST_SKIP() << "sizes of the CPU's caches";
  ExpectAllAgree(
      {.n = 3, .h = 56, .w = 56, .c_in = 8, .expanded = 256, .c_out = 8, .kernel = 3, .stride = 1},
      true, Activation::kRelu6, DType::kF32);
}

// Whose rows are put together before they are streamed: of both results, and of the input's
// gradient where there is no expansion, with channels that fill no vector.
TEST_F(MbconvTest, LargeTensorsOfBf16Agree) {
  if (context().device().type != DeviceType::kCpu) GTEST_SKIP() << "sizes of the CPU's caches";
  constexpr std::int64_t kElements = kStreamedBytes / 2;
  ExpectAllAgree({.n = kElements / (56 * 56 * 224) + 1,
                  .h = 56,
                  .w = 56,
                  .c_in = 2,
                  .expanded = 224,
                  .c_out = 2,
                  .kernel = 3,
                  .stride = 1},
                 true, Activation::kRelu6, DType::kBf16);
  ExpectAllAgree({.n = kElements / (56 * 56 * 24) + 1,
                  .h = 56,
                  .w = 56,
                  .c_in = 24,
                  .expanded = 24,
                  .c_out = 2,
                  .kernel = 3,
                  .stride = 2},
                 false, Activation::kRelu6, DType::kBf16);
}

TEST_F(MbconvTest, WithoutAnExpansionTheInputIsReadAsItIs) {
  for (const std::int64_t stride : {1, 2}) {
    ExpectAllAgree({.n = 3,
                    .h = 11,
                    .w = 16,
                    .c_in = 32,
                    .expanded = 32,
                    .c_out = 16,
                    .kernel = 3,
                    .stride = stride},
                   false);
    ExpectAllAgree({.n = 2,
                    .h = 5,
                    .w = 5,
                    .c_in = 3,
                    .expanded = 3,
                    .c_out = 2,
                    .kernel = 5,
                    .stride = stride},
                   false);
  }
}

TEST_F(MbconvTest, EveryActivationAgrees) {
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    ExpectAllAgree(
        {.n = 2, .h = 8, .w = 8, .c_in = 8, .expanded = 32, .c_out = 8, .kernel = 3, .stride = 1},
        true, activation);
  }
}

TEST_F(MbconvTest, AnEmptyBatchWritesNothingButStatistics) {
  ExpectAllAgree(
      {.n = 0, .h = 8, .w = 8, .c_in = 8, .expanded = 32, .c_out = 8, .kernel = 3, .stride = 1});
}

TEST_F(MbconvTest, TheSameCallGivesTheSameBits) {
  const Block block = MakeBlock({.n = 5,
                                 .h = 14,
                                 .w = 14,
                                 .c_in = 16,
                                 .expanded = 96,
                                 .c_out = 24,
                                 .kernel = 5,
                                 .stride = 2});
  const auto bits = [&] {
    RunReference<MbconvForward>(Forward(block, true));
    Ours<MbconvForward>().run(context(), Forward(block, true));
    Ours<MbconvBackward>().run(context(), Backward(block, true));
    std::vector<float> all;
    for (const Tensor* t : {&block.y, &block.dx, &block.expand.dw, &block.depthwise.dw,
                            &block.project.dw, &block.expand.dgamma}) {
      all.insert(all.end(), t->As<float>(), t->As<float>() + t->elements());
    }
    return all;
  };
  const std::vector<float> first = bits();
  const std::vector<float> second = bits();
  EXPECT_EQ(std::memcmp(first.data(), second.data(), first.size() * sizeof(float)), 0);
}

// Odd sizes, so that panels have padding on every side.
TEST_F(MbconvTest, WhatScratchHeldBeforeDoesNotMatter) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const Block block = MakeBlock(
        {.n = 1, .h = 7, .w = 7, .c_in = 7, .expanded = 20, .c_out = 5, .kernel = 3, .stride = 1},
        dtype);
    const MbconvForward::Args forward = Forward(block, true);
    const MbconvBackward::Args backward = Backward(block, true);
    const std::size_t bytes = std::max(Ours<MbconvForward>().workspace_bytes(context(), forward),
                                       Ours<MbconvBackward>().workspace_bytes(context(), backward));
    const auto results_after = [&](int byte) {
      std::memset(context().Workspace(bytes), byte, bytes);
      Ours<MbconvForward>().run(context(), forward);
      std::memset(context().Workspace(bytes), byte, bytes);
      Ours<MbconvBackward>().run(context(), backward);
      std::string bits;
      for (const Tensor* t : {&block.y, &block.dx, &block.expand.dw, &block.project.dw}) {
        bits.append(static_cast<const char*>(t->data()), static_cast<std::size_t>(t->bytes()));
      }
      return bits;
    };
    constexpr int kNans = 0xff;
    EXPECT_TRUE(results_after(0) == results_after(kNans)) << Name(dtype);
  }
}

// Against the statistics of the e1 that was written: sums of plain squares in f32 would be off by
// (mean / deviation)^2 roundings, a third of the deviation here.
TEST_F(MbconvTest, AMeanFarFromZeroCostsNoAccuracy) {
  const Block block = MakeBlock(
      {.n = 4, .h = 16, .w = 16, .c_in = 8, .expanded = 48, .c_out = 16, .kernel = 3, .stride = 1});
  for (std::int64_t i = 0; i < block.x.elements(); ++i) Set(block.x, i, Get(block.x, i) + 1000);
  Ours<MbconvForward>().run(context(), Forward(block, true));
  const std::int64_t rows = block.e1.shape().rows();
  for (std::int64_t channel = 0; channel < 48; ++channel) {
    double mean = 0, variance = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      mean += Get(block.e1, row * 48 + channel) / static_cast<double>(rows);
    }
    for (std::int64_t row = 0; row < rows; ++row) {
      variance += std::pow(Get(block.e1, row * 48 + channel) - mean, 2) / static_cast<double>(rows);
    }
    EXPECT_NEAR(Get(block.expand.mean, channel), mean, 1e-6 * std::abs(mean));
    EXPECT_NEAR(Get(block.expand.inv_std, channel) * std::sqrt(variance + 1e-3), 1, 1e-5);
  }
}

TEST_F(MbconvTest, BadArgumentsAreRefused) {
  const Block block = MakeBlock(
      {.n = 1, .h = 4, .w = 4, .c_in = 2, .expanded = 4, .c_out = 2, .kernel = 3, .stride = 2});
  MbconvForward::Args forward = Forward(block, true);
  forward.e2 = block.e1;
  EXPECT_THROW(Dispatch<MbconvForward>(context(), forward), Error);
  MbconvBackward::Args backward = Backward(block, true);
  backward.g1 = backward.g2;
  EXPECT_THROW(Dispatch<MbconvBackward>(context(), backward), Error);
  backward = Backward(block, true);
  backward.depthwise_gradient.dw = {};
  EXPECT_THROW(Dispatch<MbconvBackward>(context(), backward), Error);
}

}  // namespace
}  // namespace nasengine
