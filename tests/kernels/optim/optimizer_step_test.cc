// Optimiser steps: numbers worked out by hand, properties of Adam's first step, every
// implementation against the reference.
// SPDX-License-Identifier: MIT
#include "kernels/optim/optimizer_step.h"

#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

KernelRegistry Kernels() {
  KernelRegistry registry;
  RegisterOptimizerStepReference(registry);
  RegisterOptimizerStepHighway(registry);
  return registry;
}

const Shape kShapes[] = {{1}, {1, 3, 5, 7}, {0}, {70001}};

class OptimizerStepTest : public KernelFixture {
 protected:
  OptimizerStepTest() : KernelFixture(Kernels()) {}
};

TEST_F(OptimizerStepTest, SgdMatchesNumbersWorkedOutByHand) {
  for (const auto& entry : context().registry().Entries<SgdStep>()) {
    const Tensor w = Filled({19}, 2);
    const Tensor v = Filled({19}, 0.5);
    const Tensor dw = Filled({19}, 0.25);
    SgdStep::Args args{.lr = 0.125f,
                       .momentum = 0.5f,
                       .nesterov = true,
                       .slabs = {{.dw = dw, .w = w, .v = v, .weight_decay = 0.125f}}};
    // g = 0.25 + 0.125 * 2 = 0.5, v = 0.5 * 0.5 + 0.5 = 0.75,
    // w = 2 - 0.125 * (0.5 + 0.5 * 0.75) = 1.890625
    entry.run(context(), args);
    for (int i = 0; i < 19; ++i) {
      EXPECT_EQ(Get(v, i), 0.75) << entry.name;
      EXPECT_EQ(Get(w, i), 1.890625) << entry.name;
    }
    // Without Nesterov, from there: g = 0.25 + 0.125 * 1.890625 = 0.486328125,
    // v = 0.375 + g = 0.861328125, w = 1.890625 - 0.125 * v = 1.782958984375
    args.nesterov = false;
    entry.run(context(), args);
    for (int i = 0; i < 19; ++i) {
      EXPECT_EQ(Get(v, i), 0.861328125) << entry.name;
      EXPECT_EQ(Get(w, i), 1.782958984375) << entry.name;
    }
  }
}

TEST_F(OptimizerStepTest, SgdImplementationsAgree) {
  for (const Shape& shape : kShapes) {
    for (bool nesterov : {false, true}) {
      const Tensor dw = RandomTensor(shape, 1), w = RandomTensor(shape, 2);
      const Tensor v = RandomTensor(shape, 3);
      ExpectImplementationsAgree<SgdStep>(
          {.lr = 0.1f,
           .momentum = 0.9f,
           .nesterov = nesterov,
           .slabs = {{.dw = dw, .w = w, .v = v, .weight_decay = 4e-5f}}});
    }
  }
}

// The copy is the moved master's rounding, not a weight that moved on its own.
TEST_F(OptimizerStepTest, SgdRoundsTheMovedWeightsIntoTheirCopy) {
  for (const Shape& shape : kShapes) {
    for (const auto& entry : context().registry().Entries<SgdStep>()) {
      const Tensor w = RandomTensor(shape, 2);
      const Tensor copy = Filled(shape, 9, DType::kBf16);
      const Tensor dw = RandomTensor(shape, 1), v = RandomTensor(shape, 3);
      entry.run(context(), {.lr = 0.1f,
                            .momentum = 0.9f,
                            .nesterov = true,
                            .slabs = {{.dw = dw, .w = w, .v = v, .w_bf16 = copy}}});
      for (std::int64_t i = 0; i < w.elements(); ++i) {
        ASSERT_EQ(copy.As<BFloat16>()[i].bits, Narrow(w.As<float>()[i]).bits) << entry.name;
      }
    }
  }
}

// Parts of larger slabs begin anywhere: no vector may be taken for granted.
TEST_F(OptimizerStepTest, PartsOfSlabsMoveAsWholeOnes) {
  const Shape shape = {1031};
  const auto part = [&](std::uint64_t stream, std::int64_t offset) {
    const Tensor whole = RandomTensor(shape, stream);
    const Tensor larger = Filled({shape[0] + offset + 1}, 9);
    Tensor inside = larger.Slice(offset, shape);
    for (std::int64_t i = 0; i < shape[0]; ++i) Set(inside, i, std::abs(Get(whole, i)));
    return inside;
  };
  for (const bool adam : {false, true}) {
    std::vector<Tensor> moved;
    for (const std::int64_t offset : {0, 1}) {
      const Tensor dw = part(1, offset), w = part(2, offset), v = part(3, offset);
      const Tensor copy = Filled({shape[0] + 1}, 9, DType::kBf16).Slice(offset, shape);
      if (adam) {
        const Tensor m = part(4, 1);
        Dispatch<AdamStep>(
            context(), {.lr = 0.1f, .beta1 = 0.9f, .slabs = {{.dw = dw, .w = w, .m = m, .v = v}}});
      } else {
        Dispatch<SgdStep>(
            context(),
            {.lr = 0.1f, .momentum = 0.9f, .slabs = {{.dw = dw, .w = w, .v = v, .w_bf16 = copy}}});
        for (std::int64_t i = 0; i < shape[0]; ++i) {
          ASSERT_EQ(copy.As<BFloat16>()[i].bits, Narrow(w.As<float>()[i]).bits) << i;
        }
      }
      EXPECT_EQ(w.As<float>()[shape[0]], 9);  // another's
      moved.push_back(w);
    }
    for (std::int64_t i = 0; i < shape[0]; ++i) {
      ASSERT_EQ(Get(moved[0], i), Get(moved[1], i)) << adam << i;
    }
  }
}

TEST_F(OptimizerStepTest, AdamFirstStepIsTheLearningRateAgainstTheGradientsSign) {
  for (const auto& entry : context().registry().Entries<AdamStep>()) {
    for (bool with_mean : {false, true}) {
      const Tensor dw = RandomTensor({37}, 1);
      const Tensor w = Filled({37}, 1);
      const Tensor m = with_mean ? Filled({37}, 0) : Tensor();
      const Tensor v = Filled({37}, 0);
      entry.run(context(), {.lr = 0.006f,
                            .beta1 = with_mean ? 0.9f : 0.0f,
                            .slabs = {{.dw = dw, .w = w, .m = m, .v = v}}});
      for (int i = 0; i < 37; ++i) {
        // epsilon shortens the step by epsilon / |g|; storing w rounds it by 2^-24.
        const double sign = Get(dw, i) > 0 ? 1 : -1;
        const double tolerance = 0x1p-23 + 0.006 * 1e-8 / std::abs(Get(dw, i));
        EXPECT_NEAR(Get(w, i), 1 - double{0.006f} * sign, tolerance) << entry.name;
      }
    }
  }
}

TEST_F(OptimizerStepTest, AdamMatchesTheAlgorithmOverThreeSteps) {
  double w_true = 0.7;
  double m_true = 0;
  double v_true = 0;
  const Tensor w = Filled({1}, w_true, DType::kF64);
  const Tensor m = Filled({1}, 0, DType::kF64);
  const Tensor v = Filled({1}, 0, DType::kF64);
  const double beta1 = 0.9f;
  const double beta2 = 0.999f;
  const double lr = 0.01f;
  for (int step = 1; step <= 3; ++step) {
    const double g = 0.3 * step - 0.5;
    const Tensor dw = Filled({1}, g, DType::kF64);
    RunReference<AdamStep>(
        {.lr = 0.01f, .beta1 = 0.9f, .step = step, .slabs = {{.dw = dw, .w = w, .m = m, .v = v}}});
    m_true = beta1 * m_true + (1 - beta1) * g;
    v_true = beta2 * v_true + (1 - beta2) * g * g;
    const double m_hat = m_true / (1 - std::pow(beta1, step));
    const double v_hat = v_true / (1 - std::pow(beta2, step));
    w_true -= lr * m_hat / (std::sqrt(v_hat) + double{1e-8f});
    EXPECT_NEAR(Get(w, 0), w_true, 1e-14);
    EXPECT_NEAR(Get(m, 0), m_true, 1e-14);
    EXPECT_NEAR(Get(v, 0), v_true, 1e-14);
  }
}

TEST_F(OptimizerStepTest, AdamImplementationsAgree) {
  for (const Shape& shape : kShapes) {
    for (std::int64_t step : {1, 2, 1000}) {
      const Tensor v = RandomTensor(shape, 3);
      for (std::int64_t i = 0; i < v.elements(); ++i) Set(v, i, Get(v, i) * Get(v, i));
      const Tensor dw = RandomTensor(shape, 1), w = RandomTensor(shape, 2);
      AdamStep::Args args{.lr = 0.006f,
                          .beta1 = 0.0f,
                          .weight_decay = 1e-3f,
                          .step = step,
                          .slabs = {{.dw = dw, .w = w, .m = {}, .v = v}}};
      ExpectImplementationsAgree<AdamStep>(args);
      const Tensor m = RandomTensor(shape, 4);
      args.slabs.front().m = m;
      args.beta1 = 0.9f;
      ExpectImplementationsAgree<AdamStep>(args);
    }
  }
}

// More of them than one launch takes, empty and misaligned ones among them, each with a decay of
// its own.
TEST_F(OptimizerStepTest, ManySlabsAgree) {
  constexpr std::int64_t kSizes[] = {5, 0, 4096, 1, 2049, 64, 30000, 17};
  SgdStep::Args sgd{.lr = 0.1f, .momentum = 0.9f, .nesterov = true, .slabs = {}};
  AdamStep::Args adam{.lr = 0.1f, .beta1 = 0.9f, .step = 3, .slabs = {}};
  std::vector<Tensor> kept;
  const auto keep = [&](const Tensor& tensor, std::int64_t offset, std::int64_t size) {
    kept.push_back(tensor);
    return tensor.Slice(offset, {size});
  };
  for (std::uint64_t i = 0; i < 130; ++i) {
    const std::int64_t size = kSizes[i % std::size(kSizes)];
    const auto offset = static_cast<std::int64_t>(i % 3 == 1);
    const Shape whole{size + offset};
    const Tensor dw = keep(RandomTensor(whole, 4 * i), offset, size);
    const Tensor w = keep(RandomTensor(whole, 4 * i + 1), offset, size);
    const Tensor v = keep(Filled(whole, 0.25), offset, size);
    const Tensor m = keep(RandomTensor(whole, 4 * i + 2), offset, size);
    const Tensor copy = i % 2 == 0 ? keep(Filled(whole, 0, DType::kBf16), offset, size) : Tensor();
    const float decay = static_cast<float>(i) * 1e-3f;
    sgd.slabs.push_back({.dw = dw, .w = w, .v = v, .w_bf16 = copy, .weight_decay = decay});
    adam.slabs.push_back({.dw = dw, .w = w, .m = m, .v = v});
  }
  ExpectImplementationsAgree<SgdStep>(sgd);
  ExpectImplementationsAgree<AdamStep>(adam);
}

TEST_F(OptimizerStepTest, NoSlabIsNoStep) {
  for (const auto& entry : context().registry().Entries<SgdStep>()) {
    EXPECT_NO_THROW(entry.run(context(), {.lr = 1, .slabs = {}})) << entry.name;
  }
  for (const auto& entry : context().registry().Entries<AdamStep>()) {
    EXPECT_NO_THROW(entry.run(context(), {.lr = 1, .slabs = {}})) << entry.name;
  }
}

TEST_F(OptimizerStepTest, RefusesWrongArguments) {
  const Tensor x = Filled({3}, 0);
  const Tensor other = Filled({4}, 0);
  const Tensor wide = Filled({3}, 0, DType::kF64);
  const SgdStep::Slab good{.dw = x, .w = x, .v = x};
  const auto sgd = [&](const SgdStep::Slab& slab) {
    Dispatch<SgdStep>(context(), {.lr = 1, .slabs = {good, slab}});
  };
  EXPECT_THROW(sgd({.dw = x, .w = other, .v = x}), Error);
  EXPECT_THROW(sgd({.dw = x, .w = x, .v = {}}), Error);
  EXPECT_THROW(sgd({.dw = x, .w = x, .v = x, .w_bf16 = x}), Error);
  const SgdStep::Slab double_precision{.dw = wide, .w = wide, .v = wide};
  EXPECT_THROW(sgd(double_precision), Error);
  EXPECT_THROW(Dispatch<SgdStep>(context(), {.lr = 1, .slabs = {double_precision, good}}), Error);
  const AdamStep::Slab plain{.dw = x, .w = x, .m = {}, .v = x};
  const AdamStep::Slab with_mean{.dw = x, .w = x, .m = x, .v = x};
  const auto adam = [&](const AdamStep::Args& args) { Dispatch<AdamStep>(context(), args); };
  EXPECT_THROW(adam({.beta1 = 0.9f, .slabs = {plain}}), Error);
  EXPECT_THROW(adam({.beta1 = 0.9f, .slabs = {with_mean, plain}}), Error);
  EXPECT_THROW(adam({.step = 0, .slabs = {plain}}), Error);
  EXPECT_THROW(adam({.beta2 = 1.0f, .slabs = {plain}}), Error);
}

}  // namespace
}  // namespace nasengine
