// Every differentiable function against finite differences, through the tape.
// SPDX-License-Identifier: MIT
#include "autograd/functions/functions.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/core/error.h"
#include "tests/support/gradcheck.h"

namespace nasengine {
namespace {

class FunctionsTest : public GradientFixture {
 protected:
  Tensor Random(const Shape& shape, std::uint64_t stream = 1) {
    return RandomTensor(shape, stream, DType::kF64);
  }
};

TEST_F(FunctionsTest, Conv2d) {
  ParameterSlab slab;
  const Parameter w = AddParameter(slab, "w", {4, 3, 3, 2});
  Fill(slab);
  for (const int stride : {1, 2}) {
    ExpectTapeGradients(Random({2, 5, 4, 2}), slab, [&](Tape& tape, const Variable& x) {
      return Conv2d(tape, x, w, {3, stride, 1});
    });
  }
}

TEST_F(FunctionsTest, PointwiseConv) {
  ParameterSlab slab;
  const Parameter w = AddParameter(slab, "w", {5, 3});
  Fill(slab);
  ExpectTapeGradients(Random({2, 3, 2, 3}), slab,
                      [&](Tape& tape, const Variable& x) { return PointwiseConv(tape, x, w); });
}

TEST_F(FunctionsTest, DepthwiseConv) {
  for (const int kernel : {3, 5}) {
    ParameterSlab slab;
    const Parameter w = AddParameter(slab, "w", {kernel, kernel, 3});
    Fill(slab);
    for (const int stride : {1, 2}) {
      ExpectTapeGradients(Random({2, 6, 5, 3}), slab, [&](Tape& tape, const Variable& x) {
        return DepthwiseConv(tape, x, w, {kernel, stride, kernel / 2});
      });
    }
  }
}

TEST_F(FunctionsTest, ParameterUsedTwiceGetsBothGradients) {
  ParameterSlab slab;
  const Parameter w = AddParameter(slab, "w", {3, 3});
  Fill(slab);
  ExpectTapeGradients(Random({2, 2, 2, 3}), slab, [&](Tape& tape, const Variable& x) {
    return PointwiseConv(tape, PointwiseConv(tape, x, w), w);
  });
}

TEST_F(FunctionsTest, BatchNorm) {
  ParameterSlab running;
  const Parameter mean = AddParameter(running, "mean", {3});
  const Parameter var = AddParameter(running, "var", {3});
  Fill(running);
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    SCOPED_TRACE(Name(activation));
    ParameterSlab slab;
    const Parameter gamma = AddParameter(slab, "gamma", {3});
    const Parameter beta = AddParameter(slab, "beta", {3});
    Fill(slab);
    ExpectTapeGradients(Random({2, 3, 3, 3}), slab, [&](Tape& tape, const Variable& x) {
      return BatchNorm(tape, x, gamma, beta, mean.value(), var.value(),
                       {.mode = NormMode::kBatchFrozen, .activation = activation});
    });
  }
}

TEST_F(FunctionsTest, Activations) {
  ParameterSlab none;
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    SCOPED_TRACE(Name(activation));
    const Tensor x = RandomTensor({4, 9}, 1, DType::kF64, 4);
    ExpectTapeGradients(x, none, [&](Tape& tape, const Variable& x) {
      return ApplyActivation(tape, x, activation);
    });
  }
}

// Both branches work in place and receive one shared gradient: neither may overwrite the other's,
// whichever comes first.
TEST_F(FunctionsTest, SumSharesItsGradientWithoutMixing) {
  ParameterSlab none;
  for (const bool relu_first : {true, false}) {
    ExpectTapeGradients(Random({3, 7}), none, [&](Tape& tape, const Variable& x) {
      const auto relu = [&] { return ApplyActivation(tape, x, Activation::kRelu); };
      const auto dropout = [&] { return Dropout(tape, x, 0.5f, Rng(3, RngPurpose::kDropout), 1); };
      const Variable first = relu_first ? relu() : dropout();
      const Variable second = relu_first ? dropout() : relu();
      return Sum(tape, Sum(tape, first, second), x);
    });
  }
}

TEST_F(FunctionsTest, SumOfOneVariableWithItselfDoublesTheGradient) {
  ParameterSlab none;
  ExpectTapeGradients(Random({3, 2}), none, [&](Tape& tape, const Variable& x) {
    return Sum(tape, Sum(tape, x, x), Sum(tape, x, x));
  });
}

TEST_F(FunctionsTest, Pools) {
  ParameterSlab none;
  const Tensor x = Random({2, 5, 6, 3});
  for (const int stride : {1, 2}) {
    const Window window{3, stride, 1};
    ExpectTapeGradients(x, none,
                        [&](Tape& tape, const Variable& x) { return AvgPool(tape, x, window); });
    ExpectTapeGradients(x, none,
                        [&](Tape& tape, const Variable& x) { return MaxPool(tape, x, window); });
  }
  ExpectTapeGradients(x, none,
                      [&](Tape& tape, const Variable& x) { return GlobalAvgPool(tape, x); });
}

TEST_F(FunctionsTest, Linear) {
  ParameterSlab slab;
  const Parameter w = AddParameter(slab, "w", {4, 3});
  const Parameter bias = AddParameter(slab, "bias", {4});
  Fill(slab);
  ExpectTapeGradients(Random({5, 3}), slab,
                      [&](Tape& tape, const Variable& x) { return Linear(tape, x, w, bias); });
}

TEST_F(FunctionsTest, LinearWithoutBias) {
  ParameterSlab slab;
  const Parameter w = AddParameter(slab, "w", {4, 3});
  Fill(slab);
  ExpectTapeGradients(Random({5, 3}), slab, [&](Tape& tape, const Variable& x) {
    return Linear(tape, x, w, Parameter());
  });
}

TEST_F(FunctionsTest, DropoutBackwardDrawsTheSameMask) {
  ParameterSlab none;
  const Rng rng(5, RngPurpose::kDropout);
  ExpectTapeGradients(Random({4, 8}), none, [&](Tape& tape, const Variable& x) {
    return Dropout(tape, x, 0.25f, rng, 7);
  });
}

TEST_F(FunctionsTest, DropoutOfRateZeroIsTheVariableItself) {
  Tape tape(context(), GradientsOf::kActivations);
  const Variable x = Variable::WithGradient(Random({2, 2}));
  const Variable y = Dropout(tape, x, 0, Rng(1, RngPurpose::kDropout), 0);
  EXPECT_EQ(y.slot(), x.slot());
  EXPECT_EQ(tape.nodes(), 0);
}

TEST_F(FunctionsTest, LossUnderASeedOtherThanOne) {
  if (!on_cpu()) GTEST_SKIP() << kNeedsF64;
  const Tensor labels = context().Empty({3}, DType::kI32, MemoryCategory::kData);
  for (int i = 0; i < 3; ++i) labels.As<std::int32_t>()[i] = 2 * i;
  ParameterSlab none;
  for (const float seed : {1.0f, 0.25f}) {
    const Tensor x = Random({3, 5});
    Tape tape(context(), GradientsOf::kActivations);
    const Variable logits = Variable::WithGradient(x);
    const LossResult result = SoftmaxCrossEntropy(tape, logits, labels, 0.1f);
    EXPECT_EQ(result.rank.shape(), Shape{3});
    tape.Backward(result.loss, seed);
    ExpectGradient(x, logits.slot()->Take(), [&] {
      Tape unrecorded(context(), GradientsOf::kNothing);
      const LossResult again = SoftmaxCrossEntropy(unrecorded, Variable(x), labels, 0.1f);
      return seed * Get(again.loss.value(), 0);
    });
  }
}

TEST_F(FunctionsTest, BatchNormModes) {
  if (!on_cpu()) GTEST_SKIP() << kNeedsF64;
  ParameterSlab slab;
  const Parameter gamma = AddParameter(slab, "gamma", {2});
  const Parameter beta = AddParameter(slab, "beta", {2});
  Fill(slab);
  const Tensor x = Random({1, 4, 1, 2});
  const auto run = [&](GradientsOf gradients, NormMode mode) {
    const Tensor mean = Filled({2}, 3, DType::kF64);
    const Tensor var = Filled({2}, 4, DType::kF64);
    Tape tape(context(), gradients);
    const Variable y =
        BatchNorm(tape, Variable(x), gamma, beta, mean, var, {.mode = mode, .momentum = 0.5f});
    return std::pair(Get(mean, 0), Get(y.value(), 0));
  };
  const double batch_mean = (Get(x, 0) + Get(x, 2) + Get(x, 4) + Get(x, 6)) / 4;
  const auto moved = run(GradientsOf::kActivationsAndParameters, NormMode::kBatch);
  EXPECT_NEAR(moved.first, 0.5 * 3 + 0.5 * batch_mean, 1e-12);
  const auto frozen = run(GradientsOf::kActivationsAndParameters, NormMode::kBatchFrozen);
  EXPECT_EQ(frozen.first, 3);
  EXPECT_EQ(frozen.second, moved.second);
  const auto running = run(GradientsOf::kNothing, NormMode::kRunning);
  EXPECT_EQ(running.first, 3);
  const double epsilon = BatchNormOptions().epsilon;
  EXPECT_NEAR(
      running.second,
      Get(gamma.value(), 0) * (Get(x, 0) - 3) / std::sqrt(4 + epsilon) + Get(beta.value(), 0),
      1e-12);
  EXPECT_THROW(run(GradientsOf::kActivations, NormMode::kRunning), Error);
}

TEST_F(FunctionsTest, ShapesThatDoNotFitAreNamed) {
  ParameterSlab slab;
  const Parameter w = AddParameter(slab, "w", {3, 3, 24});
  Fill(slab, DType::kF32);
  Tape tape(context(), GradientsOf::kNothing);
  const auto message = [](const std::function<void()>& run) -> std::string {
    try {
      run();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.what();
    }
    return "";
  };
  const Variable image(RandomTensor({1, 4, 4, 32}, 1));
  EXPECT_EQ(message([&] {
              DepthwiseConv(tape, image, w, {3, 1, 1});
            }),
            "depthwise_conv: x is 1x4x4x32, which wants w of 3x3x32, w is 3x3x24");
  EXPECT_EQ(message([&] {
              Sum(tape, image, Variable(RandomTensor({1, 4, 4, 31}, 1)));
            }),
            "sum: a is 1x4x4x32, b is 1x4x4x31");
  EXPECT_EQ(message([&] {
              AvgPool(tape, image, {7, 1, 0});
            }),
            "avg_pool: a window of 7, stride 1, padding 0 does not fit x, which is 1x4x4x32");
  EXPECT_EQ(message([&] {
              GlobalAvgPool(tape, Variable(RandomTensor({2, 3}, 1)));
            }),
            "global_avg_pool: x is 2x3, expected (n, h, w, c)");
  EXPECT_EQ(message([&] { Dropout(tape, image, 1, Rng(1, RngPurpose::kDropout), 0); }),
            "dropout: rate 1, expected 0 or more and under 1");
}

}  // namespace
}  // namespace nasengine
