// What tensors in bf16 make of the functions: the types of all that comes out of them, and numbers
// as far from those in f32 as their roundings explain.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "autograd/functions/buffers.h"
#include "tests/support/gradcheck.h"

namespace nasengine {
namespace {

// Half a unit in the last place of bf16, as a share of the number: what storing one changes at
// most.
constexpr double kRounding = 0x1p-8;

double Rms(const std::vector<double>& numbers) {
  double squares = 0;
  for (const double number : numbers) squares += number * number;
  return std::sqrt(squares / static_cast<double>(numbers.size()));
}

// RMS of a - b over that of b.
double Distance(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> difference(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return Rms(difference) / Rms(b);
}

class WorkingTypeTest : public GradientFixture {
 protected:
  WorkingTypeTest()
      : expand_(AddParameter(slab_, "expand", {24, 6})),
        gamma_(AddPlain("gamma", 24)),
        beta_(AddPlain("beta", 24)),
        depthwise_(AddParameter(slab_, "depthwise", {3, 3, 24})),
        project_(AddParameter(slab_, "project", {6, 24})),
        w_(AddParameter(slab_, "w", {5, 6})),
        bias_(AddPlain("bias", 5)),
        running_mean_(AddParameter(buffers_, "running_mean", {24})),
        running_var_(AddParameter(buffers_, "running_var", {24})) {
    Fill(slab_, DType::kF32);
    Fill(buffers_, DType::kF32);
    // The weights are numbers that bf16 holds, so that both types start from the same.
    slab_.AllocateWorkingCopy();
    const Tensor weights = slab_.working_copy();
    for (std::int64_t i = 0; i < weights.elements(); ++i) Set(slab_.values(), i, Get(weights, i));
  }

  Parameter AddPlain(const std::string& name, std::int64_t size) {
    return {&slab_, slab_.Add({.name = name, .shape = {size}, .decay = false})};
  }

  // One function of every kind between x and the loss.
  LossResult Forward(Tape& tape, const Variable& x) {
    Variable y = PointwiseConv(tape, x, expand_);
    y = BatchNorm(tape, y, gamma_, beta_, running_mean_.value(), running_var_.value(),
                  {.activation = Activation::kRelu6});
    y = ApplyActivation(tape, DepthwiseConv(tape, y, depthwise_, {3, 1, 1}), Activation::kRelu);
    y = Sum(tape, PointwiseConv(tape, AvgPool(tape, y, {3, 1, 1}), project_), x);
    y = GlobalAvgPool(tape, MaxPool(tape, y, {2, 2, 0}));
    y = Dropout(tape, y, 0.25f, Rng(1, RngPurpose::kDropout), 1);
    EXPECT_EQ(y.value().dtype(), x.value().dtype());
    const Variable logits = Linear(tape, y, w_, bias_);
    EXPECT_EQ(logits.value().dtype(), DType::kF32);
    return SoftmaxCrossEntropy(tape, logits, labels_, 0.1f);
  }

  struct Numbers {
    double loss = 0;
    std::vector<double> dx;
    std::vector<double> dw;
  };
  Numbers Run(DType dtype) {
    const Tensor pixels = RandomTensor({4, 6, 6, 6}, 1, DType::kBf16);
    const Variable x = Variable::WithGradient(InType(context(), pixels, dtype));
    Tape tape(context(), GradientsOf::kActivationsAndParameters);
    const LossResult result = Forward(tape, x);
    EXPECT_EQ(result.loss.value().dtype(), DType::kF32);
    tape.Backward(result.loss);
    const Tensor dx = x.slot()->Take();
    EXPECT_EQ(dx.dtype(), dtype);
    Numbers numbers{.loss = Get(result.loss.value(), 0), .dx = {}, .dw = {}};
    for (std::int64_t i = 0; i < dx.elements(); ++i) numbers.dx.push_back(Get(dx, i));
    const Tensor dw = slab_.gradients();
    EXPECT_EQ(dw.dtype(), DType::kF32);
    for (std::int64_t i = 0; i < dw.elements(); ++i) numbers.dw.push_back(Get(dw, i));
    slab_.DropGradients();
    return numbers;
  }

  ParameterSlab slab_;
  ParameterSlab buffers_;
  Parameter expand_, gamma_, beta_, depthwise_, project_, w_, bias_;
  Parameter running_mean_, running_var_;
  Tensor labels_ = MakeLabels();

 private:
  Tensor MakeLabels() {
    Tensor labels = context().Empty({4}, DType::kI32, MemoryCategory::kData);
    for (std::int32_t i = 0; i < 4; ++i) labels.As<std::int32_t>()[i] = i;
    return labels;
  }
};

TEST_F(WorkingTypeTest, EveryFunctionStaysWithinItsRoundingsOfF32) {
  const Numbers f32 = Run(DType::kF32);
  const Numbers bf16 = Run(DType::kBf16);
  // Tensors that are stored one after the other from x to the loss, and back again.
  constexpr double kForward = 11;
  constexpr double kBackward = 12;
  EXPECT_NEAR(bf16.loss, f32.loss, kForward * kRounding * f32.loss);
  EXPECT_LT(Distance(bf16.dx, f32.dx), (kForward + kBackward) * kRounding);
  EXPECT_LT(Distance(bf16.dw, f32.dw), (kForward + kBackward) * kRounding);
  EXPECT_GT(Distance(bf16.dx, f32.dx), kRounding / 8) << "as if nothing had been rounded";
}

TEST_F(WorkingTypeTest, SavesHalfTheBytes) {
  const auto saved = [&](DType dtype) {
    const Variable x = Variable::WithGradient(RandomTensor({4, 6, 6, 6}, 1, dtype));
    Tape tape(context(), GradientsOf::kActivationsAndParameters);
    const LossResult result = Forward(tape, x);
    const std::int64_t bytes = tape.saved_bytes();
    tape.Backward(result.loss);
    slab_.DropGradients();
    return bytes;
  };
  // Statistics of 24 channels and the gradient of 4 x 5 logits are f32 in both.
  constexpr std::int64_t kWide = 4 * (2 * 24 + 4 * 5);
  EXPECT_EQ(2 * (saved(DType::kBf16) - kWide), saved(DType::kF32) - kWide);
}

TEST_F(WorkingTypeTest, AWeightWithoutACopyIsNamed) {
  ParameterSlab slab;
  const Parameter w = AddParameter(slab, "expand.weight", {4, 6});
  Fill(slab, DType::kF32);
  Tape tape(context(), GradientsOf::kNothing);
  try {
    PointwiseConv(tape, Variable(RandomTensor({1, 2, 2, 6}, 1, DType::kBf16)), w);
    FAIL() << "read a weight in bf16 that has no copy";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "slab: parameter expand.weight read in bf16, of which it has no copy");
  }
}

}  // namespace
}  // namespace nasengine
