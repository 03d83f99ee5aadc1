// Gate gradients as derivatives with respect to continuous gates, and Zero's special behaviour.
// SPDX-License-Identifier: MIT
#include "nas/supernet/mixed_op.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

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

  // The gate gradients of the loss Project(y) with `active` drawn, those of `of` or all.
  std::vector<double> GatesOf(const MixedOp& op, const Tensor& x, int active,
                              std::vector<int> of = {}) {
    Tape tape(context(), GradientsOf::kActivations);
    GateGradients gates{.of = std::move(of)};
    const Variable y = op.Forward(tape, Variable::WithGradient(x), active, &gates,
                                  {.norm = NormMode::kBatchFrozen});
    tape.Backward(Project(tape, y));
    return gates.values;
  }

  // The same loss as a function of the gates.
  double Loss(const MixedOp& op, const Tensor& x, std::span<const float> gates) {
    Tape tape(context(), GradientsOf::kNothing);
    const Variable y =
        op.ForwardAll(tape, Variable(x), gates, nullptr, {.norm = NormMode::kBatchFrozen});
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

TEST_F(MixedOpTest, OfAPairTheGateGradientsAreThoseThatAllCandidatesHave) {
  for (int block = 0; block < 2; ++block) {
    const auto op = MakeOp(block);
    const Tensor x = Input(block);
    for (int active = 0; active < op->candidates(); ++active) {
      if (op->is_zero(active)) continue;
      const std::vector<double> all = GatesOf(*op, x, active);
      for (int inactive = 0; inactive < op->candidates(); ++inactive) {
        if (inactive == active) continue;
        const std::vector<double> pair = GatesOf(*op, x, active, {active, inactive});
        ASSERT_EQ(pair.size(), all.size());
        for (std::size_t k = 0; k < all.size(); ++k) {
          const bool drawn = static_cast<int>(k) == active || static_cast<int>(k) == inactive;
          EXPECT_EQ(pair[k], drawn ? all[k] : 0) << "active " << active << " gate " << k;
        }
      }
    }
  }
}

TEST_F(MixedOpTest, WithAllCandidatesTheGateGradientsAreDerivativesOfTheWeights) {
  for (int block = 0; block < 2; ++block) {
    const auto op = MakeOp(block);
    const Tensor x = Input(block);
    std::vector<float> weights;
    for (int k = 0; k < op->candidates(); ++k) {
      weights.push_back(0.5f / static_cast<float>(1 + k));
    }
    Tape tape(context(), GradientsOf::kActivations);
    GateGradients gates;
    const Variable y = op->ForwardAll(tape, Variable::WithGradient(x), weights, &gates,
                                      {.norm = NormMode::kBatchFrozen});
    tape.Backward(Project(tape, y));
    ASSERT_EQ(gates.values.size(), weights.size());
    for (int k = 0; k < op->candidates(); ++k) {
      const auto loss = [&](float step) {
        std::vector<float> moved = weights;
        moved[static_cast<std::size_t>(k)] += step;
        return Loss(*op, x, moved);
      };
      const double step = 0.5;
      const double difference = (loss(0.5f) - loss(-0.5f)) / (2 * step);
      // As for one path: linear, so that only the rounding of y counts.
      const double elements = 4 * 4 * 4 * 8;
      const double tolerance =
          8 * std::numeric_limits<float>::epsilon() * std::sqrt(elements) * 3 / step;
      EXPECT_NEAR(gates.values[static_cast<std::size_t>(k)], difference, tolerance)
          << "block " << block << " gate " << k;
      if (op->is_zero(k)) {
        EXPECT_EQ(gates.values[static_cast<std::size_t>(k)], 0);
      }
    }
  }
}

// The loss is linear in y, so that with all candidates x and the parameters have the gradients of
// the single paths, weighted.
TEST_F(MixedOpTest, WithAllCandidatesGradientsAreThoseOfThePathsWeighted) {
  const auto op = MakeOp(0);
  const Tensor x = Input(0);
  const std::vector<float> weights{0.5f, 0.25f, 2};
  const auto gradients = [&](const auto& forward) {
    Tape tape(context(), GradientsOf::kActivationsAndParameters);
    const Variable input = Variable::WithGradient(x);
    tape.Backward(Project(tape, forward(tape, input)));
    std::vector<Floats> copies{Copy(input.slot()->Take())};
    for (const auto& layer : op->layers()) {
      ParameterSlab& slab = layer->parameters();
      copies.push_back(slab.has_gradients() ? Copy(slab.gradients()) : Floats());
      slab.DropGradients();
    }
    return copies;
  };
  const ForwardOptions frozen{.norm = NormMode::kBatchFrozen};
  const std::vector<Floats> all = gradients([&](Tape& tape, const Variable& input) {
    return op->ForwardAll(tape, input, weights, nullptr, frozen);
  });
  Floats dx(all[0].size());
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const std::vector<Floats> one = gradients([&](Tape& tape, const Variable& input) {
      return op->Forward(tape, input, static_cast<int>(k), nullptr, frozen);
    });
    for (std::size_t i = 0; i < dx.size(); ++i) dx[i] += weights[k] * one[0][i];
    // Weights that are powers of two scale every rounding along.
    ASSERT_EQ(all[1 + k].size(), one[1 + k].size());
    for (std::size_t i = 0; i < all[1 + k].size(); ++i) {
      EXPECT_EQ(all[1 + k][i], weights[k] * one[1 + k][i]) << "candidate " << k;
    }
  }
  // Sums of three in another order.
  for (std::size_t i = 0; i < dx.size(); ++i) {
    EXPECT_NEAR(all[0][i], dx[i], 1e-6 * (1 + std::abs(dx[i]))) << i;
  }
}

TEST_F(MixedOpTest, AllCandidatesKeepWhatTheyKeepAloneAndNoOutput) {
  const auto op = MakeOp(1);
  const Tensor x = Input(1);
  const auto saved_bytes = [&](GradientsOf wanted, const auto& forward) {
    Tape tape(context(), wanted);
    forward(tape);
    return tape.saved_bytes();
  };
  const auto all = [&](GradientsOf wanted, GateGradients* gates) {
    const std::vector<float> weights(static_cast<std::size_t>(op->candidates()), 0.25f);
    return saved_bytes(wanted, [&](Tape& tape) {
      op->ForwardAll(tape, Variable::WithGradient(x), weights, gates, {});
    });
  };
  for (const GradientsOf wanted :
       {GradientsOf::kActivations, GradientsOf::kActivationsAndParameters}) {
    std::int64_t alone = 0;
    for (int k = 0; k < op->candidates(); ++k) {
      if (op->is_zero(k)) continue;
      alone += saved_bytes(wanted, [&](Tape& tape) {
        op->Forward(tape, Variable::WithGradient(x), k, nullptr, {});
      });
    }
    // x is saved for the weights' sake, and shared.
    const int times_x = wanted == GradientsOf::kActivations ? 0 : 2;
    EXPECT_EQ(all(wanted, nullptr), alone - times_x * x.bytes());
    GateGradients gates;
    EXPECT_EQ(all(wanted, &gates), alone - times_x * x.bytes() + 3 * x.bytes())
        << "one output map a candidate, of x's size, for the inner products";
  }
  // What nobody saved is gone when the forward pass returns, but for the output itself.
  const auto active_bytes = [&] {
    return allocator()
        .stats()
        .active_by_category[static_cast<std::size_t>(MemoryCategory::kActivations)];
  };
  const std::int64_t before = active_bytes();
  Tape tape(context(), GradientsOf::kActivationsAndParameters);
  const Variable y = op->ForwardAll(tape, Variable(x), std::vector<float>{1, 1, 1, 1}, nullptr, {});
  const std::int64_t kept = active_bytes() - before;
  EXPECT_LE(kept, tape.saved_bytes() - x.bytes() + y.value().bytes() + 64 * 20) << "but alignment";
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

// Of every kind of layer: a candidate, and one that is none, which computes its result for it.
TEST_F(MixedOpTest, AnInnerProductWithABranchIsThatOfItsResultAndMovesNothing) {
  const auto op = MakeOp(1);
  const Tensor x = Input(1);
  LayerDesc conv = op->candidate(0)->desc();
  conv.op = LayerOp::kConv;
  conv.expand = 1;
  BuiltLayer other(context(), conv, space_.batch_norm, "conv/");
  other.Initialize(Rng(7, RngPurpose::kWeights));
  const Tensor dy = RandomTensor(x.shape(), 5);
  for (BuiltLayer* layer : {op->candidate(0), op->candidate(1), op->candidate(2), &other}) {
    SCOPED_TRACE(layer->name());
    const auto result = [&] {
      Tape tape(context(), GradientsOf::kNothing);
      return layer->ForwardBranch(tape, Variable(x), {.norm = NormMode::kBatchFrozen}).value();
    };
    const auto product = [&] { return layer->BranchInnerProduct(context(), x, dy, {}); };
    const auto peak_of = [&](const auto& run) {
      run();  // reserves the workspace
      allocator().ResetPeak();
      run();
      return allocator().stats().peak_bytes;
    };
    const Floats statistics = Copy(layer->buffers().values());
    // 512 products of normal numbers with elements of size 1 to 3.
    const double tolerance = 8 * std::numeric_limits<float>::epsilon() *
                             std::sqrt(static_cast<double>(x.elements())) * 3;
    EXPECT_NEAR(product(), Dot(result(), dy), tolerance);
    EXPECT_TRUE(SameBits(Copy(layer->buffers().values()), statistics));
    const std::int64_t written = layer == &other ? 0 : x.bytes();
    const std::int64_t scalar = layer == &other ? 64 : 0;
    EXPECT_LE(peak_of(product), peak_of(result) - written + scalar);
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
  const std::vector<double> second = GatesOf(op, x, 1);
  EXPECT_EQ(first[2], second[2]);
  // The active one's is a sum over its saved output, the others' one over sums of channels: each
  // rounds its terms, normal numbers times elements of size 1 to 3.
  const double elements = 4 * 4 * 4 * 8;
  const double tolerance = 2 * 8 * std::numeric_limits<float>::epsilon() * std::sqrt(elements) * 3;
  EXPECT_NEAR(first[0], second[0], tolerance);
  EXPECT_NEAR(first[0], first[1], tolerance);
  EXPECT_NEAR(second[0], second[1], tolerance);
  EXPECT_EQ(first[1], second[0]);
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
      const Variable all = op->ForwardAll(tape, Variable(x), gates, nullptr, frozen);
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
  EXPECT_THROW(op->ForwardAll(tape, Variable(Input(0)), std::vector<float>{1}, nullptr, {}), Error);
}

}  // namespace
}  // namespace nasengine
