// The inverted bottleneck as one function: its gradients against finite differences, and what
// computing again instead of keeping changes, which is memory alone.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/support/gradcheck.h"

namespace nasengine {
namespace {

class MbconvFunctionTest : public GradientFixture {
 protected:
  // A block's parameters, and running statistics that start at 0 and 1.
  struct Block {
    ParameterSlab slab;
    ConvNorm expand;
    ConvNorm depthwise;
    ConvNorm project;
  };

  ConvNorm AddPart(ParameterSlab& slab, const std::string& name, const Shape& weights,
                   std::int64_t c) {
    const Parameter w = AddParameter(slab, name + ".w", weights);
    const Parameter gamma = AddParameter(slab, name + ".gamma", {c});
    return {w, gamma, AddParameter(slab, name + ".beta", {c}), {}, {}};
  }

  void Make(Block& block, bool expands, int kernel, std::int64_t c_in, std::int64_t expanded,
            std::int64_t c_out, DType dtype) {
    if (expands) block.expand = AddPart(block.slab, "expand", {expanded, c_in}, expanded);
    block.depthwise = AddPart(block.slab, "depthwise", {kernel, kernel, expanded}, expanded);
    block.project = AddPart(block.slab, "project", {c_out, expanded}, c_out);
    Fill(block.slab, dtype);
    for (ConvNorm* part : {&block.expand, &block.depthwise, &block.project}) {
      if (!part->gamma.defined()) continue;
      part->running_mean = Filled(part->gamma.value().shape(), 0, dtype);
      part->running_var = Filled(part->gamma.value().shape(), 1, dtype);
    }
  }

  static std::vector<float> Values(const Tensor& tensor) {
    return {tensor.As<float>(), tensor.As<float>() + tensor.elements()};
  }
};

TEST_F(MbconvFunctionTest, GradientsMatchFiniteDifferences) {
  if (!on_cpu()) GTEST_SKIP() << kNeedsF64;
  for (const bool expands : {true, false}) {
    for (const int stride : {1, 2}) {
      for (const Recompute recompute : {Recompute::kNothing, Recompute::kExpand, Recompute::kAll}) {
        SCOPED_TRACE(StrCat("expands ", expands, ", stride ", stride, ", recompute ",
                            static_cast<int>(recompute)));
        Block block;
        Make(block, expands, 3, 3, expands ? 5 : 3, 2, DType::kF64);
        const MbconvOptions options{.kernel = 3,
                                    .stride = stride,
                                    .norm = {.activation = Activation::kRelu6},
                                    .recompute = recompute};
        ExpectTapeGradients(RandomTensor({2, 4, 3, 3}, 1, DType::kF64), block.slab,
                            [&](Tape& tape, const Variable& x) {
                              return Mbconv(tape, x, expands ? &block.expand : nullptr,
                                            block.depthwise, block.project, options);
                            });
      }
    }
  }
}

struct Outcome {
  std::vector<float> values;  // of dx, every parameter gradient and every running statistic
  std::int64_t saved_bytes = 0;
};

TEST_F(MbconvFunctionTest, ComputingAgainChangesMemoryAndNotABit) {
  const Tensor x = RandomTensor({4, 14, 14, 16}, 1);
  const auto step = [&](Recompute recompute) {
    Block block;
    Make(block, true, 5, 16, 96, 24, DType::kF32);
    Tape tape(context(), GradientsOf::kActivationsAndParameters);
    const Variable in = Variable::WithGradient(x);
    const Variable y = Mbconv(tape, in, &block.expand, block.depthwise, block.project,
                              {.kernel = 5,
                               .stride = 2,
                               .norm = {.activation = Activation::kRelu6},
                               .recompute = recompute});
    const std::int64_t saved = tape.saved_bytes() - x.bytes();
    tape.Backward(Project(tape, y));
    Outcome outcome{.values = Values(in.slot()->Take()), .saved_bytes = saved};
    for (const Tensor& t :
         {block.slab.gradients(), block.expand.running_mean, block.expand.running_var,
          block.depthwise.running_var, block.project.running_mean}) {
      const std::vector<float> more = Values(t);
      outcome.values.insert(outcome.values.end(), more.begin(), more.end());
    }
    return outcome;
  };
  const Outcome kept = step(Recompute::kNothing);
  const Outcome expand = step(Recompute::kExpand);
  const Outcome all = step(Recompute::kAll);
  for (const Outcome* other : {&expand, &all}) {
    ASSERT_EQ(other->values.size(), kept.values.size());
    EXPECT_EQ(
        std::memcmp(other->values.data(), kept.values.data(), kept.values.size() * sizeof(float)),
        0);
  }
  // Statistics of 96, 96 and 24 channels; then o and e2; then e1.
  EXPECT_EQ(all.saved_bytes, 4 * 2 * (96 + 96 + 24));
  EXPECT_EQ(expand.saved_bytes - all.saved_bytes, 4 * (4 * 7 * 7 * (96 + 24)));
  EXPECT_EQ(kept.saved_bytes - expand.saved_bytes, 4 * (4 * 14 * 14 * 96));
}

TEST_F(MbconvFunctionTest, FrozenStatisticsStay) {
  Block block;
  Make(block, true, 3, 4, 12, 4, DType::kF32);
  Tape tape(context(), GradientsOf::kNothing);
  Mbconv(tape, Variable(RandomTensor({2, 4, 4, 4}, 1)), &block.expand, block.depthwise,
         block.project,
         {.kernel = 3, .norm = {.mode = NormMode::kBatchFrozen, .activation = Activation::kRelu6}});
  for (const ConvNorm* part : {&block.expand, &block.depthwise, &block.project}) {
    for (std::int64_t i = 0; i < part->running_mean.elements(); ++i) {
      EXPECT_EQ(Get(part->running_mean, i), 0);
      EXPECT_EQ(Get(part->running_var, i), 1);
    }
  }
}

TEST_F(MbconvFunctionTest, AnArchitectureStepDoesNotKeepItsInput) {
  Block block;
  Make(block, true, 3, 4, 12, 4, DType::kF32);
  const Tensor x = RandomTensor({2, 4, 4, 4}, 1);
  const MbconvOptions options{.kernel = 3, .norm = {.activation = Activation::kRelu6}};
  const auto saved = [&](GradientsOf wanted) {
    Tape tape(context(), wanted);
    Mbconv(tape, Variable::WithGradient(x), &block.expand, block.depthwise, block.project, options);
    return tape.saved_bytes();
  };
  EXPECT_EQ(saved(GradientsOf::kActivationsAndParameters) - saved(GradientsOf::kActivations),
            x.bytes());
}

TEST_F(MbconvFunctionTest, BadArgumentsAreRefused) {
  Block block;
  Make(block, true, 3, 4, 12, 4, DType::kF32);
  Tape tape(context(), GradientsOf::kNothing);
  const Variable x(RandomTensor({2, 4, 4, 5}, 1));
  EXPECT_THROW(Mbconv(tape, x, &block.expand, block.depthwise, block.project, {}), Error);
  const Variable fits(RandomTensor({2, 4, 4, 4}, 1));
  EXPECT_THROW(Mbconv(tape, fits, &block.expand, block.depthwise, block.project, {.kernel = 5}),
               Error);
  EXPECT_THROW(Mbconv(tape, fits, &block.expand, block.depthwise, block.project,
                      {.norm = {.mode = NormMode::kRunning}}),
               Error);
}

}  // namespace
}  // namespace nasengine
