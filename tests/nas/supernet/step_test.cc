// Architecture steps through the whole network: gate gradients as derivatives of the loss, and what
// the steps leave alone.
// SPDX-License-Identifier: MIT
#include "nas/supernet/step.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <string>

#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

class ArchitectureStepTest : public SupernetFixture {
 protected:
  ArchitectureStepTest()
      : space_(TinySpace({.blocks = 3, .candidates = {"3x3_MBConv3", "5x5_MBConv6"}})),
        supernet_(context(), space_) {
    supernet_.Initialize(3);
  }

  // Scale and shift of every batch norm so that nothing comes near relu6's kinks, six standard
  // deviations away: the loss is then smooth in the alphas.
  void StayBetweenTheKinks() {
    for (ParameterSlab* slab : supernet_.Slabs()) {
      for (std::size_t i = 0; i < slab->specs().size(); ++i) {
        const std::string& name = slab->specs()[i].name;
        const Tensor value = slab->value(static_cast<int>(i));
        const std::span<float> numbers(value.As<float>(),
                                       static_cast<std::size_t>(value.elements()));
        if (name.ends_with("gamma")) std::ranges::fill(numbers, 0.5f);
        if (name.ends_with("beta")) std::ranges::fill(numbers, 3.0f);
      }
    }
  }

  const SearchSpace space_;
  Supernet supernet_;
};

// Through the whole network and cross-entropy: moving the probabilities from the active candidate s
// towards k by t changes the loss of the weighted network at the rate G_k - G_s.
TEST_F(ArchitectureStepTest, GateGradientsOfEveryBlockAgreeWithTheWeightedNetwork) {
  const Batch batch = RandomBatch(space_, 16);
  const Path path{1, 0, 1};
  std::vector<GateGradients> gates(path.size());
  RunArchitectureStep(context(), supernet_, path, batch.images, batch.labels, gates);

  const auto loss = [&](std::size_t moved, int k, double t) {
    for (std::size_t block = 0; block < path.size(); ++block) {
      const std::span<float> alpha = supernet_.gates()[block].alpha();
      std::ranges::fill(alpha, -200.0f);  // a probability of 0 in f32
      alpha[static_cast<std::size_t>(path[block])] = 0;
      if (block == moved && t > 0) {
        alpha[static_cast<std::size_t>(k)] = static_cast<float>(std::log(t / (1 - t)));
      }
    }
    Tape tape(context(), GradientsOf::kNothing);
    const Variable logits =
        supernet_.ForwardAll(tape, batch.images, {}, {.norm = NormMode::kBatchFrozen});
    return static_cast<double>(
        *SoftmaxCrossEntropy(tape, logits, batch.labels, 0).loss.value().As<float>());
  };
  const double at_path = loss(0, 0, 0);
  for (std::size_t block = 0; block < path.size(); ++block) {
    const auto active = static_cast<std::size_t>(path[block]);
    const std::vector<double>& values = gates[block].values;
    ASSERT_EQ(values.size(), static_cast<std::size_t>(supernet_.gates()[block].candidates()));
    for (std::size_t k = 0; k < values.size(); ++k) {
      if (k == active) continue;
      // One-sided, of second order. The loss is an f32 near 1, whose rounding of 6e-8 weighs up to
      // 8 / (2 t); crossings of relu6's kinks add as much again.
      const double t = 1e-3;
      const double slope = (4 * loss(block, static_cast<int>(k), t) - 3 * at_path -
                            loss(block, static_cast<int>(k), 2 * t)) /
                           (2 * t);
      EXPECT_NEAR(values[k] - values[active], slope, 1e-3 + 1e-2 * std::abs(slope))
          << "block " << block << " candidate " << k;
    }
  }
}

// Through the whole network with all candidates weighted, cross-entropy and the softmax.
TEST_F(ArchitectureStepTest, AlphaGradientsOfAllPathsAreDerivativesOfTheLoss) {
  const Batch batch = RandomBatch(space_, 16);
  StayBetweenTheKinks();
  for (BinaryGate& gate : supernet_.gates()) {
    for (int k = 0; k < gate.candidates(); ++k) {
      gate.alpha()[static_cast<std::size_t>(k)] = 0.5f - 0.25f * static_cast<float>(k * k);
    }
  }
  std::vector<GateGradients> gates(3);
  const StepResult result =
      RunAllPathsArchitectureStep(context(), supernet_, batch.images, batch.labels, gates);
  const auto loss = [&] {
    Tape tape(context(), GradientsOf::kNothing);
    const Variable logits =
        supernet_.ForwardAll(tape, batch.images, {}, {.norm = NormMode::kBatchFrozen});
    return static_cast<double>(
        *SoftmaxCrossEntropy(tape, logits, batch.labels, 0).loss.value().As<float>());
  };
  EXPECT_EQ(result.loss, loss());
  double largest = 0;
  for (std::size_t block = 0; block < gates.size(); ++block) {
    BinaryGate& gate = supernet_.gates()[block];
    const std::vector<double> gradient = AlphaGradient(gate.Probabilities(), gates[block].values);
    for (std::size_t k = 0; k < gradient.size(); ++k) {
      const float step = 1.0f / 32;
      const float kept = gate.alpha()[k];
      gate.alpha()[k] = kept + step;
      const double above = loss();
      gate.alpha()[k] = kept - step;
      const double below = loss();
      gate.alpha()[k] = kept;
      // The rounding of an f32 loss near 1 weighs 6e-8 / step; the third derivative, of the size of
      // the gradient itself, step^2 / 6.
      const double tolerance = 2e-5 + 2e-3 * std::abs(gradient[k]);
      EXPECT_NEAR(gradient[k], (above - below) / (2 * step), tolerance)
          << "block " << block << " alpha " << k;
      largest = std::max(largest, std::abs(gradient[k]) / tolerance);
    }
  }
  EXPECT_GT(largest, 100) << "too small to be a check";
  const std::size_t zero = 2;
  EXPECT_EQ(gates[1].values[zero], 0);
  EXPECT_GT(std::abs(AlphaGradient(supernet_.gates()[1].Probabilities(), gates[1].values)[zero]),
            1e-4)
      << "Zero's alpha moves through the softmax";
}

TEST_F(ArchitectureStepTest, OfTwoPathsTheGateGradientsAreThoseOfThePairs) {
  const Batch batch = RandomBatch(space_, 8);
  const Path active{1, 0, 2};
  const Path inactive{0, 2, 1};
  std::vector<GateGradients> all(3);
  std::vector<GateGradients> pairs(3);
  const StepResult full =
      RunArchitectureStep(context(), supernet_, active, batch.images, batch.labels, all);
  const StepResult two =
      RunTwoPathsStep(context(), supernet_, active, inactive, batch.images, batch.labels, pairs);
  EXPECT_EQ(full.loss, two.loss);
  EXPECT_EQ(pairs[0].values, all[0].values) << "there are only two";
  EXPECT_EQ(pairs[1].values, (std::vector<double>{all[1].values[0], 0, 0}));
  EXPECT_NE(all[1].values[1], 0);
  EXPECT_TRUE(pairs[2].values.empty()) << "Zero is active";
}

TEST_F(ArchitectureStepTest, LeavesWeightsStatisticsAndGradientsAlone) {
  const Batch batch = RandomBatch(space_, 8);
  const std::vector<Floats> before = AllState(supernet_);
  for (const Path& path : {Path{0, 1, 0}, Path{1, 2, 1}}) {
    std::vector<GateGradients> gates(path.size());
    RunArchitectureStep(context(), supernet_, path, batch.images, batch.labels, gates);
    RunTwoPathsStep(context(), supernet_, path, Path{1, 0, 2}, batch.images, batch.labels, gates);
    RunAllPathsArchitectureStep(context(), supernet_, batch.images, batch.labels, gates);
    for (const ParameterSlab* slab : supernet_.Slabs()) EXPECT_FALSE(slab->has_gradients());
  }
  EXPECT_TRUE(SameBits(before, AllState(supernet_)));
  // The comparison sees what a weight step does.
  RunWeightStep(context(), supernet_, Path{0, 1, 0}, batch.images, batch.labels, 0, {});
  EXPECT_FALSE(SameBits(before, AllState(supernet_)));
  for (ParameterSlab* slab : supernet_.Slabs()) slab->DropGradients();
}

TEST_F(ArchitectureStepTest, OnlyBlocksWithoutZeroActiveHaveGateGradients) {
  const Batch batch = RandomBatch(space_, 8);
  const Path path{1, 2, 0};
  std::vector<GateGradients> gates(path.size());
  RunArchitectureStep(context(), supernet_, path, batch.images, batch.labels, gates);
  EXPECT_EQ(gates[0].values.size(), 2u);
  EXPECT_TRUE(gates[1].values.empty());
  ASSERT_EQ(gates[2].values.size(), 3u);
  EXPECT_EQ(gates[2].values[2], 0);
}

TEST_F(ArchitectureStepTest, WithEveryBlockSkippedThereIsALossAndNoGateGradient) {
  const SearchSpace space = TinySpace({.stem_channels = 8, .blocks = 2, .stride = 1});
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  const Batch batch = RandomBatch(space, 8);
  std::vector<GateGradients> gates(2);
  const StepResult result =
      RunArchitectureStep(context(), supernet, Path{2, 2}, batch.images, batch.labels, gates);
  EXPECT_GT(result.loss, 0);
  EXPECT_TRUE(gates[0].values.empty());
  EXPECT_TRUE(gates[1].values.empty());
}

// The same supernet in both types.
class WorkingTypeStepTest : public SupernetFixture {
 protected:
  WorkingTypeStepTest()
      : space_(TinySpace({.blocks = 3, .candidates = {"3x3_MBConv3", "5x5_MBConv6"}})),
        f32_(context(), space_),
        bf16_(context(), space_, {.dtype = DType::kBf16}) {
    f32_.Initialize(3);
    bf16_.Initialize(3);
  }

  // Tensors stored in bf16 from the images to the loss: seven a block, four around them.
  static constexpr double kRoundings = 3 * 7 + 4;
  static constexpr double kRounding = 0x1p-8;

  const SearchSpace space_;
  Supernet f32_;
  Supernet bf16_;
};

TEST_F(WorkingTypeStepTest, StepsFollowThoseInF32) {
  const Batch batch = RandomBatch(space_, 16);
  const Path path{1, 0, 1};
  const double loss =
      RunWeightStep(context(), f32_, path, batch.images, batch.labels, 0.1f, {}).loss;
  EXPECT_NEAR(RunWeightStep(context(), bf16_, path, batch.images, batch.labels, 0.1f, {}).loss,
              loss, kRoundings * kRounding * loss);
  for (ParameterSlab* slab : bf16_.Slabs(path)) {
    EXPECT_EQ(slab->gradients().dtype(), DType::kF32);
    slab->DropGradients();
  }
  std::vector<GateGradients> expected(path.size()), found(path.size());
  RunArchitectureStep(context(), f32_, path, batch.images, batch.labels, expected);
  RunArchitectureStep(context(), bf16_, path, batch.images, batch.labels, found);
  double squares = 0, distance = 0;
  for (std::size_t block = 0; block < path.size(); ++block) {
    ASSERT_EQ(found[block].values.size(), expected[block].values.size());
    for (std::size_t k = 0; k < expected[block].values.size(); ++k) {
      squares += std::pow(expected[block].values[k], 2);
      distance += std::pow(found[block].values[k] - expected[block].values[k], 2);
    }
  }
  EXPECT_LT(std::sqrt(distance / squares), 2 * kRoundings * kRounding);
  EXPECT_GT(distance, 0);
}

TEST_F(WorkingTypeStepTest, WhatOnlyJudgesComputesInF32) {
  const Batch batch = RandomBatch(space_, 16);
  const Path path{1, 0, 1};
  EXPECT_EQ(RunForwardStep(context(), bf16_, path, batch.images, batch.labels).loss,
            RunForwardStep(context(), f32_, path, batch.images, batch.labels).loss);
}

TEST_F(WorkingTypeStepTest, ADerivedNetworkHasTypeAndCopies) {
  const auto network = bf16_.Derive(context(), Path{1, 0, 1});
  EXPECT_EQ(network->dtype(), DType::kBf16);
  const auto expect_copies = [&] {
    for (const ParameterSlab* slab : network->Slabs()) {
      const Tensor copy = slab->working_copy();
      for (std::int64_t i = 0; i < copy.elements(); ++i) {
        ASSERT_EQ(copy.As<BFloat16>()[i].bits, Narrow(slab->values().As<float>()[i]).bits);
      }
    }
  };
  expect_copies();
  const StateDict state = network->state_dict();
  for (const StateDict::Entry& entry : state.entries())
    EXPECT_EQ(entry.tensor.dtype(), DType::kF32);
  for (std::int64_t i = 0; i < 5; ++i) Set(state.entries().front().tensor, i, 0.3);
  network->RefreshWorkingCopies();
  expect_copies();
}

}  // namespace
}  // namespace nasengine
