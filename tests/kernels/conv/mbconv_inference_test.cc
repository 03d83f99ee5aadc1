// The deployed MBConv block: the fused and the composed one against the reference on every
// instruction set, however threads share the work.
// SPDX-License-Identifier: MIT
#include "tests/support/instruction_sets.h"
//
#include <cstring>

#include "kernels/conv/mbconv_inference.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

class MbconvInferenceTest : public KernelFixture {
 protected:
  struct Block {
    Tensor x, y;
    Tensor weights[3], biases[3];
    PackedMbconv packed;
    MbconvInference::Args args;
  };

  // Whether there is a kernel of ours, of packed weights.
  static constexpr const char* kOnlyOnCpu = "our kernel is for the CPU";
  bool OnCpu() { return context().device().type == DeviceType::kCpu; }

  // The arguments point into `block`. Residual where the sizes allow it, without an expansion where
  // expanded is c_in.
  void Make(const MbconvGeometry& g, Activation activation, Block& block) {
    const auto taps = static_cast<double>(g.kernel * g.kernel);
    const bool expands = g.expanded != g.c_in;
    block.x = RandomTensor(g.InputShape(), 1);
    block.y = RandomTensor(g.OutputShape(), 2);
    const Shape shapes[] = {
        {g.expanded, g.c_in}, {g.kernel, g.kernel, g.expanded}, {g.c_out, g.expanded}};
    const double fans[] = {static_cast<double>(g.c_in), taps, static_cast<double>(g.expanded)};
    const std::int64_t channels[] = {g.expanded, g.expanded, g.c_out};
    MbconvInference::Stage stages[3];
    for (std::size_t i = 0; i < 3; ++i) {
      block.weights[i] = RandomTensor(shapes[i], 10 + i, DType::kF32, 1 / std::sqrt(fans[i]));
      block.biases[i] = RandomTensor({channels[i]}, 20 + i, DType::kF32, 0.5, 0.5);
      stages[i] = {block.weights[i], block.biases[i]};
    }
    block.args.geometry = g;
    block.args.activation = activation;
    block.args.residual = g.InputShape() == g.OutputShape();
    block.args.x = block.x;
    if (expands) block.args.expand = stages[0];
    block.args.depthwise = stages[1];
    block.args.project = stages[2];
    block.args.y = block.y;
    block.packed = PackMbconv(context(), block.args);
    block.args.packed = &block.packed;
  }

  void ExpectAllAgree(const MbconvGeometry& g, Activation activation = Activation::kRelu6) {
    SCOPED_TRACE(ToString(g));
    Block block;
    Make(g, activation, block);
    ExpectImplementationsAgree<MbconvInference>(block.args, 2);
  }

  std::vector<float> Result(Context& context, const Block& block) {
    for (std::int64_t i = 0; i < block.y.elements(); ++i) Set(block.y, i, NAN);
    Ours<MbconvInference>().run(context, block.args);
    return {block.y.As<float>(), block.y.As<float>() + block.y.elements()};
  }
};

TEST_F(MbconvInferenceTest, AllImplementationsAgreeOnEveryInstructionSet) {
  ForEachInstructionSet([&] {
    for (const std::int64_t k : {3, 5, 7}) {
      for (const std::int64_t s : {1, 2}) {
        // n, h, w, c_in, expanded, c_out: small maps whose channels are shared, rows that tiles cut
        // in all ways, single channels, maps smaller than the kernel.
        ExpectAllAgree({1, 7, 7, 20, 120, 33, k, s});
        ExpectAllAgree({1, 14, 14, 24, 80, 24, k, s});
        ExpectAllAgree({2, 9, 14, 8, 48, 24, k, s});
        ExpectAllAgree({3, 28, 29, 17, 34, 17, k, s});
        ExpectAllAgree({1, 13, 1, 1, 3, 1, k, s});
        ExpectAllAgree({2, 3, 2, 3, 17, 5, k, s});
        ExpectAllAgree({1, 1, 1, 5, 130, 5, k, s});
      }
    }
  });
}

TEST_F(MbconvInferenceTest, WithoutAnExpansionTheInputIsReadAsItIs) {
  ForEachInstructionSet([&] {
    for (const std::int64_t s : {1, 2}) {
      ExpectAllAgree({1, 14, 14, 72, 72, 72, 3, s});
      ExpectAllAgree({2, 11, 16, 33, 33, 33, 5, s});
      ExpectAllAgree({1, 60, 40, 48, 48, 16, 3, s});
    }
  });
}

// Too large to be projected at once: the window rolls over strips, and images end within a thread's
// rows.
TEST_F(MbconvInferenceTest, MapsOfManyStripsAgree) {
  ForEachInstructionSet([&] {
    ExpectAllAgree({1, 70, 56, 8, 40, 8, 3, 1});
    ExpectAllAgree({3, 57, 41, 8, 72, 12, 5, 1});
    ExpectAllAgree({1, 128, 112, 4, 36, 8, 7, 2});
  });
}

TEST_F(MbconvInferenceTest, EveryActivationAgrees) {
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    ExpectAllAgree({1, 14, 14, 16, 64, 16, 3, 1}, activation);
  }
}

TEST_F(MbconvInferenceTest, AnEmptyBatchWritesNothing) {
  ExpectAllAgree({0, 8, 8, 8, 32, 8, 3, 1});
}

TEST_F(MbconvInferenceTest, SlicesPackedForOtherThreadsGiveTheSameResult) {
  if (!OnCpu()) GTEST_SKIP() << kOnlyOnCpu;
  Block block;
  Make({1, 14, 14, 24, 144, 24, 5, 1}, Activation::kRelu6, block);
  ASSERT_EQ(block.packed.slices, 2);
  const std::vector<float> expected = Result(context(), block);
  for (const int threads : {1, 3}) {
    Context other(context().backend(), allocator(), context().registry(), KernelPolicy(), threads);
    EXPECT_EQ(Result(other, block), expected) << threads << " threads";
  }
}

TEST_F(MbconvInferenceTest, TheSameCallGivesTheSameBits) {
  if (!OnCpu()) GTEST_SKIP() << kOnlyOnCpu;
  for (const std::int64_t h : {14, 64}) {
    Block block;
    Make({2, h, h, 16, 96, 16, 5, 1}, Activation::kRelu6, block);
    const std::vector<float> first = Result(context(), block);
    const std::vector<float> second = Result(context(), block);
    EXPECT_EQ(std::memcmp(first.data(), second.data(), first.size() * sizeof(float)), 0);
  }
}

TEST_F(MbconvInferenceTest, RunsWithoutPackedWeightsButNotByOurs) {
  if (!OnCpu()) GTEST_SKIP() << kOnlyOnCpu;
  Block block;
  Make({1, 14, 14, 16, 64, 16, 3, 1}, Activation::kRelu6, block);
  block.args.packed = nullptr;
  EXPECT_FALSE(Ours<MbconvInference>().declines(context(), block.args).empty());
  ExpectImplementationsAgree<MbconvInference>(block.args, 1);
}

TEST_F(MbconvInferenceTest, BadArgumentsAreRefused) {
  Block block;
  Make({1, 8, 8, 16, 64, 16, 3, 1}, Activation::kRelu6, block);
  const auto refused = [&](auto change) {
    MbconvInference::Args args = block.args;
    change(args);
    EXPECT_THROW(Dispatch<MbconvInference>(context(), args), Error);
  };
  refused([](MbconvInference::Args& args) { args.y.data = const_cast<void*>(args.x.data); });
  refused([](MbconvInference::Args& args) { args.project.bias = {}; });
  refused([](MbconvInference::Args& args) { args.geometry.stride = 2; });
  refused([](MbconvInference::Args& args) { args.expand = {}; });
  refused([](MbconvInference::Args& args) { args.x.dtype = DType::kBf16; });
  Make({1, 8, 8, 16, 64, 17, 3, 1}, Activation::kRelu6, block);
  refused([](MbconvInference::Args& args) { args.residual = true; });
}

}  // namespace
}  // namespace nasengine
