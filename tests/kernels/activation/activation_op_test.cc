// The activations: gradients against finite differences, every implementation against the
// reference.
// SPDX-License-Identifier: MIT
#include "kernels/activation/activation_op.h"

#include <limits>

#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

KernelRegistry Kernels() {
  KernelRegistry registry;
  RegisterActivationReference(registry);
  RegisterActivationHighway(registry);
  return registry;
}

constexpr Activation kActivations[] = {Activation::kNone, Activation::kRelu, Activation::kRelu6};

class ActivationOpTest : public KernelFixture {
 protected:
  ActivationOpTest() : KernelFixture(Kernels()) {}
};

TEST_F(ActivationOpTest, BackwardMatchesFiniteDifferences) {
  for (Activation activation : kActivations) {
    // Spread over both kinks; seeded so that no element is within a step of one.
    const Tensor x = RandomTensor({5, 7}, 1, DType::kF64, 4, 3);
    const Tensor y = Filled({5, 7}, 0, DType::kF64);
    const Tensor dy = RandomTensor({5, 7}, 2, DType::kF64);
    const Tensor dx = Filled({5, 7}, 0, DType::kF64);
    const auto loss = [&] {
      RunReference<ActivationForward>({x, activation, y});
      return Dot(y, dy);
    };
    loss();
    RunReference<ActivationBackward>({y, dy, activation, dx});
    ExpectGradient(x, dx, loss);
  }
}

TEST_F(ActivationOpTest, ImplementationsAgree) {
  const Shape shapes[] = {{1, 1, 1, 1}, {1, 3, 5, 7}, {2, 33, 17, 31}, {0, 4}, {3, 70000}};
  for (const Shape& shape : shapes) {
    for (Activation activation : kActivations) {
      for (const DType dtype : kStorageTypes) {
        const Tensor x = RandomTensor(shape, 3, dtype, 4, 3);
        const Tensor y = Filled(shape, 0, dtype);
        ExpectImplementationsAgree<ActivationForward>({x, activation, y});
        RunReference<ActivationForward>({x, activation, y});
        const Tensor dy = RandomTensor(shape, 4, dtype);
        ExpectImplementationsAgree<ActivationBackward>(
            {y, dy, activation, Filled(shape, 0, dtype)});
      }
    }
  }
}

TEST_F(ActivationOpTest, WorksInPlace) {
  for (Activation activation : kActivations) {
    const Tensor x = RandomTensor({1, 101}, 5, DType::kF32, 4, 3);
    const Tensor y = Filled({1, 101}, 0);
    Dispatch<ActivationForward>(context(), {x, activation, y});
    Dispatch<ActivationForward>(context(), {x, activation, x});
    for (std::int64_t i = 0; i < 101; ++i) EXPECT_EQ(Get(x, i), Get(y, i));
    const Tensor dy = RandomTensor({1, 101}, 6);
    const Tensor dx = Filled({1, 101}, 0);
    Dispatch<ActivationBackward>(context(), {y, dy, activation, dx});
    Dispatch<ActivationBackward>(context(), {y, dy, activation, dy});
    for (std::int64_t i = 0; i < 101; ++i) EXPECT_EQ(Get(dy, i), Get(dx, i));
  }
}

TEST_F(ActivationOpTest, NanStaysVisible) {
  for (Activation activation : kActivations) {
    for (const DType dtype : kStorageTypes) {
      const Tensor x = Filled({37}, std::numeric_limits<double>::quiet_NaN(), dtype);
      const Tensor y = Filled({37}, 0, dtype);
      for (const auto& entry : context().registry().Entries<ActivationForward>()) {
        entry.run(context(), {x, activation, y});
        for (std::int64_t i = 0; i < 37; ++i) EXPECT_TRUE(std::isnan(Get(y, i))) << entry.name;
      }
    }
  }
}

TEST_F(ActivationOpTest, RefusesOtherShapesAndTypes) {
  const Tensor x = Filled({2, 3}, 0);
  for (const auto& entry : context().registry().Entries<ActivationForward>()) {
    EXPECT_THROW(entry.run(context(), {x, Activation::kRelu, Filled({3, 2}, 0)}), Error);
    EXPECT_THROW(entry.run(context(), {x, Activation::kRelu, Filled({2, 3}, 0, DType::kF64)}),
                 Error);
    EXPECT_THROW(entry.run(context(), {View{nullptr, {2, 3}}, Activation::kRelu, x}), Error);
  }
}

}  // namespace
}  // namespace nasengine
