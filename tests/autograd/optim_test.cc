// The optimisers against numbers worked out by hand, and the published points of the schedule.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "autograd/optim/adam.h"
#include "autograd/optim/lr_schedule.h"
#include "autograd/optim/sgd.h"
#include "kernels/core/error.h"
#include "kernels/core/kernel_profile.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

constexpr double kTolerance = 1e-6;  // a dozen roundings of numbers around 1

class OptimTest : public KernelFixture {
 protected:
  // "w" decays, "beta" need not; every element of both is 1.
  void Make(ParameterSlab& slab) {
    slab.Add({.name = "w", .shape = {3}, .initializer = Initializer::kOnes});
    slab.Add({.name = "beta", .shape = {2}, .initializer = Initializer::kOnes, .decay = false});
    slab.Allocate(context());
    slab.Initialize(Rng(1, RngPurpose::kWeights), "");
  }
  void SetGradients(ParameterSlab& slab, float gradient) {
    for (int i = 0; i < 2; ++i) {
      const View view = slab.Gradient(context(), i).view;
      for (std::int64_t e = 0; e < view.elements(); ++e) view.As<float>()[e] = gradient;
    }
  }
  void Step(const SgdOptimizer& optimizer, ParameterSlab& slab, float lr) {
    ParameterSlab* const pointer = &slab;
    optimizer.Step(context(), {&pointer, 1}, lr);
  }
};

TEST_F(OptimTest, SgdNesterov) {
  ParameterSlab slab;
  Make(slab);
  const SgdOptimizer optimizer({.momentum = 0.9f, .nesterov = true, .weight_decay = 0.1f});
  SetGradients(slab, 0.5f);
  Step(optimizer, slab, 0.1f);
  // g = 0.6, v = 0.6, w = 1 - 0.1 * (0.6 + 0.54)
  EXPECT_NEAR(Get(slab.value(0), 2), 0.886, kTolerance);
  EXPECT_NEAR(Get(slab.value(1), 1), 0.886, kTolerance);
  EXPECT_FALSE(slab.has_gradients());
  SetGradients(slab, 0.5f);
  Step(optimizer, slab, 0.1f);
  // g = 0.5886, v = 0.54 + 0.5886, w = 0.886 - 0.1 * (0.5886 + 1.01574)
  EXPECT_NEAR(Get(slab.value(0), 0), 0.725566, kTolerance);
  EXPECT_NEAR(Get(slab.momentum(context()), 0), 1.1286, kTolerance);
}

TEST_F(OptimTest, SgdPlainMomentum) {
  ParameterSlab slab;
  Make(slab);
  const SgdOptimizer optimizer({.momentum = 0.9f, .nesterov = false});
  for (int step = 0; step < 2; ++step) {
    SetGradients(slab, 0.5f);
    Step(optimizer, slab, 0.1f);
  }
  // v = 0.5, then 0.95
  EXPECT_NEAR(Get(slab.value(0), 0), 1 - 0.05 - 0.095, kTolerance);
}

TEST_F(OptimTest, SgdMovesTheWorkingCopyWithTheWeights) {
  for (const bool decay_all : {false, true}) {
    ParameterSlab slab;
    Make(slab);
    slab.AllocateWorkingCopy();
    SetGradients(slab, 0.5f);
    Step(SgdOptimizer({.weight_decay = 0.1f, .decay_all = decay_all}), slab, 0.1f);
    EXPECT_LT(Get(slab.value(0), 0), 0.9);
    for (std::int64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(slab.value(0, DType::kBf16).As<BFloat16>()[i].bits,
                Narrow(slab.value(0).As<float>()[i]).bits);
    }
    EXPECT_NEAR(Get(slab.value(1), 0), decay_all ? 0.886 : 0.905, kTolerance);
  }
}

TEST_F(OptimTest, SgdSparesTheNonDecaying) {
  ParameterSlab slab;
  Make(slab);
  SetGradients(slab, 0.5f);
  Step(SgdOptimizer({.momentum = 0, .nesterov = false, .weight_decay = 0.1f, .decay_all = false}),
       slab, 0.1f);
  EXPECT_NEAR(Get(slab.value(0), 0), 1 - 0.06, kTolerance);
  EXPECT_NEAR(Get(slab.value(1), 0), 1 - 0.05, kTolerance);
}

TEST_F(OptimTest, SgdKeepsPaddingZero) {
  ParameterSlab slab;
  Make(slab);
  SetGradients(slab, 0.5f);
  Step(SgdOptimizer({.weight_decay = 0.1f}), slab, 0.1f);
  for (std::int64_t i = 3; i < 16; ++i) EXPECT_EQ(Get(slab.values(), i), 0);
  for (std::int64_t i = 18; i < 32; ++i) EXPECT_EQ(Get(slab.values(), i), 0);
}

TEST_F(OptimTest, SgdMovesAllSlabsInOneRun) {
  ParameterSlab first, second;
  const std::vector<ParameterSlab*> slabs{&first, &second};
  for (ParameterSlab* slab : slabs) Make(*slab);
  const std::vector<RecordedWork> recorded = RecordWork(context(), 1, [&](Context& reporting) {
    for (ParameterSlab* slab : slabs) SetGradients(*slab, 0.5f);
    SgdOptimizer({.weight_decay = 0.1f, .decay_all = false}).Step(reporting, slabs, 0.1f);
  });
  ASSERT_EQ(recorded.at(0).runs.size(), 1u);
  EXPECT_EQ(recorded[0].runs[0].op, "sgd_step");
  EXPECT_EQ(recorded[0].runs[0].shape, "64 weights in 4 slabs");
}

TEST_F(OptimTest, SgdRefusesASlabTwice) {
  ParameterSlab slab;
  Make(slab);
  SetGradients(slab, 0.5f);
  const std::vector<ParameterSlab*> twice{&slab, &slab};
  EXPECT_THROW(SgdOptimizer({}).Step(context(), twice, 0.1f), Error);
}

TEST_F(OptimTest, SgdLeavesUntouchedSlabsBitForBit) {
  ParameterSlab touched;
  ParameterSlab untouched;
  ParameterSlab fresh;
  Make(touched);
  Make(untouched);
  Make(fresh);
  const SgdOptimizer optimizer({.weight_decay = 0.1f});
  SetGradients(untouched, 0.3f);
  Step(optimizer, untouched, 0.1f);  // so that it has momentum
  const auto bytes = [](const Tensor& tensor) {
    return std::string(static_cast<const char*>(tensor.data()),
                       static_cast<std::size_t>(tensor.bytes()));
  };
  const std::string values = bytes(untouched.values());
  const std::string momentum = bytes(untouched.momentum(context()));
  SetGradients(touched, 0.5f);
  const std::vector<ParameterSlab*> slabs{&touched, &untouched, &fresh};
  optimizer.Step(context(), slabs, 0.1f);
  EXPECT_EQ(bytes(untouched.values()), values);
  EXPECT_EQ(bytes(untouched.momentum(context())), momentum);
  EXPECT_FALSE(fresh.has_momentum());
  EXPECT_NE(Get(touched.value(0), 0), 1);
}

TEST_F(OptimTest, AdamWithoutFirstMomentMovesByTheSignAtFirst) {
  const AdamOptimizer optimizer({});
  AdamState state;
  std::vector<float> alpha{1, 1, 1};
  const std::vector<float> gradient{0.5f, -2, 0};
  optimizer.Step(context(), alpha, gradient, 0.006f, state);
  EXPECT_NEAR(alpha[0], 1 - 0.006, kTolerance);
  EXPECT_NEAR(alpha[1], 1 + 0.006, kTolerance);
  EXPECT_EQ(alpha[2], 1);
  EXPECT_EQ(state.step, 1);
  EXPECT_TRUE(state.m.empty());
  // v = 0.999 * 0.001 * 0.25 + 0.001 * 1 over 1 - 0.999^2
  optimizer.Step(context(), alpha, std::vector<float>{1, 0, 0}, 0.006f, state);
  const double v = (0.999 * 0.001 * 0.25 + 0.001) / (1 - 0.999 * 0.999);
  EXPECT_NEAR(alpha[0], 1 - 0.006 - 0.006 / std::sqrt(v), kTolerance);
}

TEST_F(OptimTest, AdamCountsStepsPerVector) {
  const AdamOptimizer optimizer({.beta1 = 0.5f});
  AdamState often;
  AdamState seldom;
  std::vector<float> a{0};
  std::vector<float> b{0};
  const std::vector<float> gradient{0.1f};
  for (int i = 0; i < 3; ++i) optimizer.Step(context(), a, gradient, 0.01f, often);
  optimizer.Step(context(), b, gradient, 0.01f, seldom);
  EXPECT_EQ(often.step, 3);
  EXPECT_EQ(seldom.step, 1);
  EXPECT_EQ(seldom.m.size(), 1u);
  // With a constant gradient both corrected moments are exact: every step is one of lr.
  EXPECT_NEAR(a[0], -0.03, 3 * kTolerance);
  EXPECT_NEAR(b[0], -0.01, kTolerance);
}

TEST_F(OptimTest, AdamRefusesSizesThatDiffer) {
  const AdamOptimizer optimizer({});
  AdamState state;
  std::vector<float> alpha(3);
  EXPECT_THROW(optimizer.Step(context(), alpha, std::vector<float>(2), 0.1f, state), Error);
  optimizer.Step(context(), alpha, std::vector<float>(3), 0.1f, state);
  std::vector<float> other(4);
  EXPECT_THROW(optimizer.Step(context(), other, std::vector<float>(4), 0.1f, state), Error);
}

// The official retraining on 8 processes: from 0.0125 to 0.1 over 5 epochs, then to 0 in epoch 300.
TEST(CosineScheduleTest, RisesAlongItsRamp) {
  constexpr std::int64_t kBatches = 2503;
  const CosineSchedule parallel(0.1, 300 * kBatches, {.batches = 5 * kBatches, .start = 0.125});
  EXPECT_DOUBLE_EQ(parallel.At(0), 0.0125);
  EXPECT_DOUBLE_EQ(parallel.At(kBatches), 0.03);
  EXPECT_DOUBLE_EQ(parallel.At(5 * kBatches), 0.1);
  EXPECT_NEAR(parallel.At(5 * kBatches + 295 * kBatches / 2), 0.05, 1e-6);
  EXPECT_NEAR(parallel.At(300 * kBatches), 0, 1e-12);
  const CosineSchedule ramp_alone(0.1, 10, {.batches = 10, .start = 0});
  EXPECT_DOUBLE_EQ(ramp_alone.At(9), 0.09);
  EXPECT_EQ(ramp_alone.At(10), 0.1);
}

TEST(CosineScheduleTest, PublishedPoints) {
  constexpr std::int64_t kBatches = 4810;
  const CosineSchedule joint(0.025, 120 * kBatches);
  EXPECT_EQ(joint.At(0), 0.025);
  EXPECT_NEAR(joint.At(60 * kBatches), 0.0125, 1e-15);
  EXPECT_NEAR(joint.At(119 * kBatches), 4.2834e-06, 5e-11);
  EXPECT_NEAR(joint.At(120 * kBatches), 0, 1e-15);
  const CosineSchedule warm_up(0.05, 40 * kBatches);
  EXPECT_NEAR(warm_up.At(20 * kBatches), 0.025, 1e-15);
  EXPECT_THROW(joint.At(-1), Error);
  EXPECT_THROW(joint.At(120 * kBatches + 1), Error);
  EXPECT_THROW(CosineSchedule(0.1, 0), Error);
  EXPECT_THROW(CosineSchedule(0.1, 10, {.batches = 11}), Error);
}

}  // namespace
}  // namespace nasengine
