// Gate gradients as derivatives with respect to continuous gates, and Zero's special behaviour.
// SPDX-License-Identifier: MIT
#include "nas/supernet/mixed_op.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "nas/supernet/step.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

class MixedOpTest : public SupernetFixture {
 protected:
  // Block 0 halves the map and has no residual; block 1 has one, and Zero as its last candidate.
  MixedOpTest()
      : space_(TinySpace({.candidates = {"3x3_MBConv3", "5x5_MBConv6", "7x7_MBConv3"}})) {}

  std::unique_ptr<MixedOp> MakeOp(int block) {
    const ChoiceNode& choice = *space_.Choices()[static_cast<std::size_t>(block)];
    auto op = std::make_unique<MixedOp>(context(), choice, space_.batch_norm);
    for (const auto& layer : op->layers()) {
      if (layer != nullptr) layer->Initialize(Rng(7, RngPurpose::kWeights));
    }
    return op;
  }
  Tensor Input(int block) {
    return block == 0 ? RandomTensor({4, 8, 8, 4}, 11) : RandomTensor({4, 4, 4, 8}, 11);
  }

  // The gate gradients of the loss Project(y) with `active` drawn.
  std::vector<double> GatesOf(const MixedOp& op, const Tensor& x, int active) {
    Tape tape(context(), GradientsOf::kActivations);
    GateGradients gates;
    const Variable y = op.Forward(tape, Variable::WithGradient(x), active, &gates,
                                  {.norm = NormMode::kBatchFrozen});
    tape.Backward(Project(tape, y));
    return gates.values;
  }

  // The same loss as a function of the gates.
  double Loss(const MixedOp& op, const Tensor& x, std::span<const float> gates) {
    Tape tape(context(), GradientsOf::kNothing);
    const Variable y = op.ForwardAll(tape, Variable(x), gates, {.norm = NormMode::kBatchFrozen});
    return Dot(y.value(), RandomTensor(y.shape(), 77));
  }

  const SearchSpace space_;
};

TEST_F(MixedOpTest, GateGradientsAreDerivativesWithRespectToContinuousGates) {
  for (int block = 0; block < 2; ++block) {
    const auto op = MakeOp(block);
    const Tensor x = Input(block);
    for (int active = 0; active < op->candidates(); ++active) {
      if (op->is_zero(active)) continue;
      const std::vector<double> gradients = GatesOf(*op, x, active);
      ASSERT_EQ(gradients.size(), static_cast<std::size_t>(op->candidates()));
      for (int k = 0; k < op->candidates(); ++k) {
        const auto loss = [&](float step) {
          std::vector<float> gates(static_cast<std::size_t>(op->candidates()));
          gates[static_cast<std::size_t>(active)] = 1;
          gates[static_cast<std::size_t>(k)] += step;
          return Loss(*op, x, gates);
        };
        // The loss is linear in the gates, so a large step has no error but rounding: of y, whose
        // elements are of size 1 to 3, times normal numbers.
        const double step = 0.5;
        const double difference = (loss(0.5f) - loss(-0.5f)) / (2 * step);
        const double elements = 4 * 4 * 4 * 8;
        const double tolerance =
            8 * std::numeric_limits<float>::epsilon() * std::sqrt(elements) * 3 / step;
        EXPECT_NEAR(gradients[static_cast<std::size_t>(k)], difference, tolerance)
            << "block " << block << " active " << active << " gate " << k;
        if (op->is_zero(k)) {
          EXPECT_EQ(gradients[static_cast<std::size_t>(k)], 0);
        } else {
          EXPECT_GT(std::abs(difference), 100 * tolerance) << "too small to be a check";
        }
      }
    }
  }
}

TEST_F(MixedOpTest, TheInputsGradientIsThatOfTheActivePathAlone) {
  for (int block = 0; block < 2; ++block) {
    const auto op = MakeOp(block);
    const Tensor x = Input(block);
    const auto dx = [&](bool with_gates) {
      Tape tape(context(), GradientsOf::kActivations);
      GateGradients gates;
      const Variable input = Variable::WithGradient(x);
      const Variable y = op->Forward(tape, input, 1, with_gates ? &gates : nullptr,
                                     {.norm = NormMode::kBatchFrozen});
      tape.Backward(Project(tape, y));
      return Copy(input.slot()->Take());
    };
    EXPECT_TRUE(SameBits(dx(true), dx(false))) << "block " << block;
  }
}

TEST_F(MixedOpTest, EqualCandidatesHaveEqualGateGradientsWhicheverIsActive) {
  ChoiceNode choice = *space_.Choices()[1];
  choice.candidates[1] = choice.candidates[0];
  MixedOp op(context(), choice, space_.batch_norm);
  for (const auto& layer : op.layers()) {
    if (layer != nullptr) layer->Initialize(Rng(7, RngPurpose::kWeights));
  }
  const Tensor x = Input(1);
  const std::vector<double> first = GatesOf(op, x, 0);
  EXPECT_EQ(first, GatesOf(op, x, 1));
  EXPECT_EQ(first[0], first[1]);
  EXPECT_NE(first[0], first[2]);
}

TEST_F(MixedOpTest, ZeroReturnsItsInputAndHasNoGateGradient) {
  const auto op = MakeOp(1);
  const int zero = op->candidates() - 1;
  ASSERT_TRUE(op->is_zero(zero));
  const Tensor x = Input(1);
  Tape tape(context(), GradientsOf::kActivations);
  GateGradients gates;
  const Variable input = Variable::WithGradient(x);
  const Variable y = op->Forward(tape, input, zero, &gates, {.norm = NormMode::kBatchFrozen});
  EXPECT_TRUE(SameBits(Copy(y.value()), Copy(x)));
  tape.Backward(Project(tape, y));
  EXPECT_TRUE(gates.values.empty());
  EXPECT_TRUE(SameBits(Copy(input.slot()->Take()), Copy(RandomTensor(x.shape(), 77))))
      << "the gradient passes as it is";
}

TEST_F(MixedOpTest, ForwardOfOnePathIsForwardAllAtAOneHotGate) {
  for (int block = 0; block < 2; ++block) {
    const auto op = MakeOp(block);
    const Tensor x = Input(block);
    for (int active = 0; active < op->candidates(); ++active) {
      std::vector<float> gates(static_cast<std::size_t>(op->candidates()));
      gates[static_cast<std::size_t>(active)] = 1;
      Tape tape(context(), GradientsOf::kNothing);
      const ForwardOptions frozen{.norm = NormMode::kBatchFrozen};
      const Variable one = op->Forward(tape, Variable(x), active, nullptr, frozen);
      const Variable all = op->ForwardAll(tape, Variable(x), gates, frozen);
      const Floats a = Copy(one.value());
      const Floats b = Copy(all.value());
      ASSERT_EQ(a.size(), b.size());
      for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i], b[i]);  // -0 equals 0
    }
  }
}

TEST_F(MixedOpTest, ForwardAllRefusesAWrongNumberOfWeights) {
  const auto op = MakeOp(0);
  Tape tape(context(), GradientsOf::kNothing);
  EXPECT_THROW(op->ForwardAll(tape, Variable(Input(0)), std::vector<float>{1}, {}), Error);
}

class ArchitectureStepTest : public SupernetFixture {
 protected:
  ArchitectureStepTest()
      : space_(TinySpace({.blocks = 3, .candidates = {"3x3_MBConv3", "5x5_MBConv6"}})),
        supernet_(context(), space_) {
    supernet_.Initialize(3);
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
        supernet_.ForwardAll(tape, batch.images, {.norm = NormMode::kBatchFrozen});
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

TEST_F(ArchitectureStepTest, LeavesWeightsStatisticsAndGradientsAlone) {
  const Batch batch = RandomBatch(space_, 8);
  const std::vector<Floats> before = AllState(supernet_);
  for (const Path& path : {Path{0, 1, 0}, Path{1, 2, 1}}) {
    std::vector<GateGradients> gates(path.size());
    RunArchitectureStep(context(), supernet_, path, batch.images, batch.labels, gates);
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

}  // namespace
}  // namespace nasengine
