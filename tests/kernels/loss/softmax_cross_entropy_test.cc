// Softmax cross-entropy: gradient against finite differences, every implementation against the
// reference, values known in closed form, ranks.
// SPDX-License-Identifier: MIT
#include "kernels/loss/softmax_cross_entropy.h"

#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

KernelRegistry Kernels() {
  KernelRegistry registry;
  RegisterSoftmaxCrossEntropyReference(registry);
  RegisterSoftmaxCrossEntropyCpu(registry);
  return registry;
}

class SoftmaxCrossEntropyTest : public KernelFixture {
 protected:
  SoftmaxCrossEntropyTest() : KernelFixture(Kernels()) {}

  // Label i is 7 i mod classes.
  Tensor Labels(std::int64_t n, std::int64_t classes) {
    Tensor labels = context().Empty({n}, DType::kI32, MemoryCategory::kActivations);
    for (std::int64_t i = 0; i < n; ++i) {
      labels.As<std::int32_t>()[i] = static_cast<std::int32_t>(7 * i % classes);
    }
    return labels;
  }
  Tensor Ranks(std::int64_t n) { return Labels(n, 1); }
  const std::vector<KernelEntry<SoftmaxCrossEntropy>>& entries() {
    return context().registry().Entries<SoftmaxCrossEntropy>();
  }
};

TEST_F(SoftmaxCrossEntropyTest, GradientMatchesFiniteDifferences) {
  for (float smoothing : {0.0f, 0.1f}) {
    const Tensor logits = RandomTensor({3, 5}, 1, DType::kF64, 2);
    const Tensor dlogits = Filled({3, 5}, 9, DType::kF64);
    const Tensor loss = Filled({1}, 0, DType::kF64);
    const Tensor labels = Labels(3, 5);
    RunReference<SoftmaxCrossEntropy>({logits, labels, smoothing, loss, dlogits, {}});
    ExpectGradient(logits, dlogits, [&] {
      RunReference<SoftmaxCrossEntropy>({logits, labels, smoothing, loss, {}, {}});
      return Get(loss, 0);
    });
  }
}

TEST_F(SoftmaxCrossEntropyTest, ImplementationsAgree) {
  const Shape shapes[] = {{1, 1}, {1, 10}, {7, 13}, {64, 1000}};
  for (const Shape& shape : shapes) {
    for (float smoothing : {0.0f, 0.1f}) {
      for (double spread : {0.01, 1.0, 30.0}) {
        SCOPED_TRACE(StrCat(ToString(shape), " smoothing ", smoothing, " spread ", spread));
        const Tensor logits = RandomTensor(shape, 1, DType::kF32, spread, 5);
        const Tensor labels = Labels(shape[0], shape[1]);
        ExpectImplementationsAgree<SoftmaxCrossEntropy>(
            {logits, labels, smoothing, Filled({1}, 9), Filled(shape, 9), Ranks(shape[0])});
        ExpectImplementationsAgree<SoftmaxCrossEntropy>(
            {logits, labels, smoothing, Filled({1}, 9), {}, {}});
      }
    }
  }
}

TEST_F(SoftmaxCrossEntropyTest, UniformLogitsGiveTheLogarithmOfTheClassCount) {
  for (std::int64_t classes : {2, 10, 1000}) {
    for (const auto& entry : entries()) {
      const Tensor loss = Filled({1}, 0);
      entry.run(context(), {Filled({4, classes}, -3.5), Labels(4, classes), 0.1f, loss, {}, {}});
      EXPECT_NEAR(Get(loss, 0), std::log(static_cast<double>(classes)), 1e-6) << entry.name;
    }
  }
}

TEST_F(SoftmaxCrossEntropyTest, LargeLogitsStayFinite) {
  for (const auto& entry : entries()) {
    const Tensor logits = Filled({1, 3}, 1e4);
    Set(logits, 0, 2e4);
    const Tensor loss = Filled({1}, 9);
    const Tensor dlogits = Filled({1, 3}, 9);
    entry.run(context(), {logits, Labels(1, 3), 0.0f, loss, dlogits, {}});
    EXPECT_EQ(Get(loss, 0), 0) << entry.name;
    for (int k = 0; k < 3; ++k) EXPECT_EQ(Get(dlogits, k), 0) << entry.name;
  }
}

TEST_F(SoftmaxCrossEntropyTest, RankCountsClassesPlacedBefore) {
  // Row: 2 3 3 1 3; among equals the smaller index comes first.
  const double row[] = {2, 3, 3, 1, 3};
  const std::int32_t expected[] = {3, 0, 1, 4, 2};
  const Tensor logits = Filled({5, 5}, 0);
  for (std::int64_t i = 0; i < 25; ++i) Set(logits, i, row[i % 5]);
  const Tensor labels = Ranks(5);
  for (std::int32_t i = 0; i < 5; ++i) labels.As<std::int32_t>()[i] = i;
  for (const auto& entry : entries()) {
    const Tensor rank = Ranks(5);
    entry.run(context(), {logits, labels, 0.0f, Filled({1}, 0), {}, rank});
    for (int i = 0; i < 5; ++i) EXPECT_EQ(rank.As<std::int32_t>()[i], expected[i]) << entry.name;
  }
}

TEST_F(SoftmaxCrossEntropyTest, RefusesWrongArguments) {
  const Tensor logits = Filled({2, 3}, 0);
  const Tensor loss = Filled({1}, 0);
  for (const auto& entry : entries()) {
    const Tensor good = Labels(2, 3);
    EXPECT_NO_THROW(entry.run(context(), {logits, good, 0, loss, {}, {}}));
    EXPECT_THROW(entry.run(context(), {logits, Labels(3, 3), 0, loss, {}, {}}), Error);
    EXPECT_THROW(entry.run(context(), {logits, good, 1, loss, {}, {}}), Error);
    EXPECT_THROW(entry.run(context(), {logits, good, 0, logits, {}, {}}), Error);
    EXPECT_THROW(entry.run(context(), {logits, good, 0, loss, Filled({3, 2}, 0), {}}), Error);
    EXPECT_THROW(entry.run(context(), {Filled({0, 3}, 0), Labels(0, 3), 0, loss, {}, {}}), Error);
  }
}

// The CPU reads the labels first.
TEST_F(SoftmaxCrossEntropyTest, RefusesLabelsOutsideTheClasses) {
  if (context().device().type != DeviceType::kCpu) GTEST_SKIP() << "labels are on the device";
  const Tensor logits = Filled({2, 3}, 0);
  for (const std::int32_t label : {3, -1}) {
    for (const auto& entry : entries()) {
      const Tensor labels = Labels(2, 3);
      labels.As<std::int32_t>()[1] = label;
      EXPECT_THROW(entry.run(context(), {logits, labels, 0, Filled({1}, 0), {}, {}}), Error);
    }
  }
}

TEST_F(SoftmaxCrossEntropyTest, LabelsOutsideTheClassesGiveNanOnADevice) {
  if (context().device().type == DeviceType::kCpu) GTEST_SKIP() << "the CPU refuses them";
  const Tensor logits = RandomTensor({2, 3}, 1);
  for (const std::int32_t label : {3, -1, 1 << 30}) {
    const Tensor labels = Labels(2, 3);
    labels.As<std::int32_t>()[1] = label;
    const Tensor loss = Filled({1}, 0), dlogits = Filled({2, 3}, 0), rank = Ranks(2);
    Dispatch<SoftmaxCrossEntropy>(context(), {logits, labels, 0.1f, loss, dlogits, rank});
    EXPECT_TRUE(std::isnan(Get(loss, 0)));
    for (std::int64_t k = 0; k < 3; ++k) {
      EXPECT_TRUE(std::isfinite(Get(dlogits, k)));
      EXPECT_TRUE(std::isnan(Get(dlogits, 3 + k)));
    }
    EXPECT_EQ(rank.As<std::int32_t>()[1], 3);
  }
}

}  // namespace
}  // namespace nasengine
