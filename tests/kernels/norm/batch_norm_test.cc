// Batch normalisation: the reference against finite differences, every implementation against the
// reference.
// SPDX-License-Identifier: MIT
#include "kernels/norm/batch_norm.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

KernelRegistry MakeRegistry(bool vendor) {
  KernelRegistry registry;
  RegisterBatchNormReference(registry);
  RegisterBatchNormHighway(registry);
  if (vendor) RegisterBatchNormOnednn(registry);
  return registry;
}

constexpr Activation kActivations[] = {Activation::kNone, Activation::kRelu, Activation::kRelu6};

class BatchNormTest : public KernelFixture {
 protected:
  explicit BatchNormTest(bool vendor = true) : KernelFixture(MakeRegistry(vendor)) {}

  // The tensors of one layer; every channel has its own mean around `mean`.
  struct Layer {
    Tensor x, y, dy, dx, gamma, beta, mean, inv_std, running_mean, running_var, dgamma, dbeta;
  };
  Layer MakeLayer(const Shape& shape, DType dtype = DType::kF32, double mean = 0) {
    const Shape channels{shape.back()};
    const DType wide = SumType(dtype);
    Layer layer{.x = RandomTensor(shape, 1, dtype, 1, mean),
                .y = RandomTensor(shape, 2, dtype),
                .dy = RandomTensor(shape, 3, dtype),
                .dx = RandomTensor(shape, 4, dtype),
                .gamma = RandomTensor(channels, 5, wide),
                .beta = RandomTensor(channels, 6, wide),
                .mean = RandomTensor(channels, 7, wide),
                .inv_std = RandomTensor(channels, 8, wide),
                .running_mean = RandomTensor(channels, 9, wide),
                .running_var = RandomTensor(channels, 10, wide, 0.1, 1),
                .dgamma = RandomTensor(channels, 11, wide),
                .dbeta = RandomTensor(channels, 12, wide)};
    for (std::int64_t i = 0; i < layer.x.elements(); ++i) {
      Set(layer.x, i, Get(layer.x, i) + 0.3 * static_cast<double>(i % shape.back() % 7));
    }
    return layer;
  }

  static BatchNormForward::Args Forward(const Layer& layer, Activation activation) {
    return {.x = layer.x,
            .gamma = layer.gamma,
            .beta = layer.beta,
            .activation = activation,
            .y = layer.y,
            .mean = layer.mean,
            .inv_std = layer.inv_std,
            .running_mean = layer.running_mean,
            .running_var = layer.running_var};
  }
  static BatchNormBackward::Args Backward(const Layer& layer, Activation activation) {
    return {.x = layer.x,
            .dy = layer.dy,
            .gamma = layer.gamma,
            .beta = layer.beta,
            .mean = layer.mean,
            .inv_std = layer.inv_std,
            .activation = activation,
            .dx = layer.dx,
            .dgamma = layer.dgamma,
            .dbeta = layer.dbeta};
  }
  static BatchNormInference::Args Inference(const Layer& layer, Activation activation) {
    return {.x = layer.x,
            .gamma = layer.gamma,
            .beta = layer.beta,
            .mean = layer.running_mean,
            .var = layer.running_var,
            .activation = activation,
            .y = layer.y};
  }

  void ExpectAllAgree(const Shape& shape, Activation activation, double mean = 0) {
    for (const DType dtype : kStorageTypes) {
      SCOPED_TRACE(
          StrCat(ToString(shape), " ", Name(dtype), " ", Name(activation), " mean ", mean));
      const Layer layer = MakeLayer(shape, dtype, mean);
      ExpectImplementationsAgree<BatchNormForward>(Forward(layer, activation));
      ExpectImplementationsAgree<BatchNormInference>(Inference(layer, activation));
      RunReference<BatchNormForward>(Forward(layer, activation));
      BatchNormBackward::Args backward = Backward(layer, activation);
      ExpectImplementationsAgree<BatchNormBackward>(backward);
      backward.accumulate = true;
      ExpectImplementationsAgree<BatchNormBackward>(backward);
    }
  }
};

// Without oneDNN, which sums thousands of rows in one f32 and so exceeds the tolerance there.
class AccurateBatchNormTest : public BatchNormTest {
 protected:
  AccurateBatchNormTest() : BatchNormTest(false) {}
};

TEST_F(BatchNormTest, ReferenceGradientsMatchFiniteDifferences) {
  for (const Activation activation : kActivations) {
    SCOPED_TRACE(Name(activation));
    const Layer layer = MakeLayer({2, 3, 2, 3}, DType::kF64);
    for (std::int64_t i = 0; i < 3; ++i) Set(layer.beta, i, 2.9 + static_cast<double>(i));
    const auto loss = [&] {
      RunReference<BatchNormForward>(Forward(layer, activation));
      return Dot(layer.y, layer.dy);
    };
    loss();
    RunReference<BatchNormBackward>(Backward(layer, activation));
    ExpectGradient(layer.x, layer.dx, loss, 1e-5);
    ExpectGradient(layer.gamma, layer.dgamma, loss, 1e-5);
    ExpectGradient(layer.beta, layer.dbeta, loss, 1e-5);
  }
}

TEST_F(BatchNormTest, ReferenceNormalisesToTheGivenMeanAndSpread) {
  const Layer layer = MakeLayer({4, 5, 5, 2}, DType::kF64);
  RunReference<BatchNormForward>(Forward(layer, Activation::kNone));
  for (std::int64_t channel = 0; channel < 2; ++channel) {
    double sum = 0, squares = 0;
    for (std::int64_t i = channel; i < layer.y.elements(); i += 2) sum += Get(layer.y, i) / 100;
    for (std::int64_t i = channel; i < layer.y.elements(); i += 2) {
      squares += std::pow(Get(layer.y, i) - sum, 2) / 100;
    }
    EXPECT_NEAR(sum, Get(layer.beta, channel), 1e-12);
    const double inv_std = Get(layer.inv_std, channel);
    const double variance = 1 / (inv_std * inv_std) - double{1e-3f};
    EXPECT_NEAR(squares, std::pow(Get(layer.gamma, channel) * inv_std, 2) * variance, 1e-12);
  }
}

TEST_F(BatchNormTest, RunningStatisticsBlendWithTheUnbiasedVariance) {
  const Layer layer = MakeLayer({1, 1, 2, 1}, DType::kF64);
  Set(layer.x, 0, 3);
  Set(layer.x, 1, 5);
  Set(layer.running_mean, 0, 10);
  Set(layer.running_var, 0, 20);
  BatchNormForward::Args args = Forward(layer, Activation::kNone);
  args.momentum = 0.25f;
  RunReference<BatchNormForward>(args);
  EXPECT_DOUBLE_EQ(Get(layer.running_mean, 0), 0.75 * 10 + 0.25 * 4);
  EXPECT_DOUBLE_EQ(Get(layer.running_var, 0), 0.75 * 20 + 0.25 * 2);
}

TEST_F(BatchNormTest, ImplementationsAgreeForEveryActivationAndChannelCount) {
  for (const Activation activation : kActivations) {
    for (const std::int64_t c : {1, 3, 16, 17, 33, 96}) ExpectAllAgree({2, 5, 7, c}, activation);
  }
}

TEST_F(BatchNormTest, ImplementationsAgreeForFewRows) {
  for (const std::int64_t rows : {1, 2, 7, 129})
    ExpectAllAgree({rows, 1, 1, 19}, Activation::kRelu);
  ExpectAllAgree({1, 1, 3, 1280}, Activation::kNone);
  ExpectAllAgree({1, 3, 3, 2100}, Activation::kRelu6);
  ExpectAllAgree({2, 1, 5, 1283}, Activation::kRelu);
}

// Parts of larger tensors begin anywhere: no vector may be taken for granted.
TEST_F(BatchNormTest, ImplementationsAgreeOnPartsOfTensors) {
  for (const DType dtype : kStorageTypes) {
    Layer layer = MakeLayer({2, 5, 5, 16}, dtype);
    for (Tensor* tensor :
         {&layer.x, &layer.y, &layer.dy, &layer.dx, &layer.gamma, &layer.beta, &layer.mean,
          &layer.inv_std, &layer.running_mean, &layer.running_var, &layer.dgamma, &layer.dbeta}) {
      const Tensor larger = Filled({tensor->elements() + 1}, 9, tensor->dtype());
      const Tensor part = larger.Slice(1, tensor->shape());
      std::memcpy(part.data(), tensor->data(), static_cast<std::size_t>(tensor->bytes()));
      *tensor = part;
    }
    // In place, where ExpectImplementationsAgree gives outputs tensors of their own.
    const auto expect_agreement = [&]<class Op>(Op, const typename Op::Args& args) {
      ExpectImplementationsAgree<Op>(args);
      const auto& reference = context().registry().Entry<Op>(Impl::kReference);
      EXPECT_NO_THROW(RunChecked<Op>(context(), Ours<Op>(), reference, args)) << Name(dtype);
    };
    expect_agreement(BatchNormInference(), Inference(layer, Activation::kRelu));
    expect_agreement(BatchNormForward(), Forward(layer, Activation::kRelu));
    expect_agreement(BatchNormBackward(), Backward(layer, Activation::kRelu));
  }
}

// Results of 8 MiB are written past the caches, but not in place.
TEST_F(AccurateBatchNormTest, LargeResultsAreTheSameInPlace) {
  for (const auto& [dtype, c] : {std::pair{DType::kF32, 32}, {DType::kBf16, 64}}) {
    Layer layer = MakeLayer({1, 3, 3, c}, dtype);
    layer.x = RandomTensor({1, 256, 257, c}, 1, dtype);
    layer.dy = RandomTensor(layer.x.shape(), 3, dtype);
    layer.y = Filled(layer.x.shape(), -1, dtype);
    layer.dx = Filled(layer.x.shape(), -1, dtype);
    Ours<BatchNormForward>().run(context(), Forward(layer, Activation::kRelu6));
    BatchNormBackward::Args backward = Backward(layer, Activation::kRelu6);
    Ours<BatchNormBackward>().run(context(), backward);
    backward.dx = layer.dy;
    Ours<BatchNormBackward>().run(context(), backward);
    BatchNormForward::Args forward = Forward(layer, Activation::kRelu6);
    forward.y = layer.x;
    Ours<BatchNormForward>().run(context(), forward);
    const auto bytes = static_cast<std::size_t>(layer.x.bytes());
    EXPECT_EQ(std::memcmp(layer.dx.data(), layer.dy.data(), bytes), 0) << Name(dtype);
    EXPECT_EQ(std::memcmp(layer.y.data(), layer.x.data(), bytes), 0) << Name(dtype);
  }
}

TEST_F(AccurateBatchNormTest, ImplementationsAgreeForManyRows) {
  ExpectAllAgree({8, 7, 7, 320}, Activation::kRelu6);
  ExpectAllAgree({5, 56, 57, 16}, Activation::kRelu6);
}

TEST_F(AccurateBatchNormTest, ImplementationsAgreeFarFromZero) {
  for (const Activation activation : kActivations) {
    ExpectAllAgree({6, 17, 19, 24}, activation, 1e4);
    ExpectAllAgree({6, 17, 19, 24}, activation, -1e4);
  }
}

// The tolerance of y grows with the mean; that of the spread must not: here it is two units in the
// last place.
TEST_F(BatchNormTest, SpreadIsExactFarFromZero) {
  const Layer layer = MakeLayer({16, 28, 28, 20}, DType::kF32, 1e4);
  RunReference<BatchNormForward>(Forward(layer, Activation::kNone));
  std::vector<double> expected;
  for (std::int64_t i = 0; i < 20; ++i) expected.push_back(Get(layer.inv_std, i));
  Ours<BatchNormForward>().run(context(), Forward(layer, Activation::kNone));
  for (std::int64_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(Get(layer.inv_std, i), expected[static_cast<std::size_t>(i)], 2.5e-7);
  }
}

TEST_F(BatchNormTest, ConstantChannelHasNoSpread) {
  const Layer layer = MakeLayer({16, 28, 28, 5});
  for (std::int64_t i = 0; i < layer.x.elements(); ++i) Set(layer.x, i, 1234.567);
  Ours<BatchNormForward>().run(context(), Forward(layer, Activation::kNone));
  for (std::int64_t i = 0; i < 5; ++i) {
    EXPECT_FLOAT_EQ(layer.inv_std.As<float>()[i], 1 / std::sqrt(1e-3f));
    EXPECT_FLOAT_EQ(layer.mean.As<float>()[i], 1234.567f);
  }
}

TEST_F(BatchNormTest, InPlaceEqualsOutOfPlace) {
  for (const auto& [activation, dtype] : {std::pair{Activation::kNone, DType::kF32},
                                          {Activation::kRelu6, DType::kF32},
                                          {Activation::kRelu, DType::kBf16}}) {
    const Layer apart = MakeLayer({4, 28, 28, 19}, dtype);
    const Layer same = MakeLayer({4, 28, 28, 19}, dtype);
    const auto bytes = static_cast<std::size_t>(apart.x.bytes());
    Ours<BatchNormForward>().run(context(), Forward(apart, activation));
    Ours<BatchNormBackward>().run(context(), Backward(apart, activation));
    BatchNormForward::Args forward = Forward(same, activation);
    BatchNormBackward::Args backward = Backward(same, activation);
    backward.mean = apart.mean;
    backward.inv_std = apart.inv_std;
    backward.dx = same.dy;
    forward.y = same.x;
    Ours<BatchNormBackward>().run(context(), backward);
    Ours<BatchNormForward>().run(context(), forward);
    EXPECT_EQ(std::memcmp(apart.y.data(), same.x.data(), bytes), 0);
    EXPECT_EQ(std::memcmp(apart.dx.data(), same.dy.data(), bytes), 0);
  }
}

// Backward finds the mask again from x: it must be the one that forward applied, on every element.
TEST_F(BatchNormTest, MaskIsThatOfForward) {
  const Layer layer = MakeLayer({4, 28, 28, 17});
  for (std::int64_t i = 0; i < 17; ++i) Set(layer.gamma, i, i % 2 == 0 ? 1e-7 : 1);
  for (std::int64_t i = 0; i < 17; ++i) Set(layer.beta, i, i % 4 == 0 ? 0 : 6);
  Ours<BatchNormForward>().run(context(), Forward(layer, Activation::kRelu6));
  const Tensor ones = Filled(layer.dy.shape(), 1);
  BatchNormBackward::Args args = Backward(layer, Activation::kRelu6);
  args.dy = ones;
  Ours<BatchNormBackward>().run(context(), args);
  std::vector<double> passed(17);
  for (std::int64_t i = 0; i < layer.y.elements(); ++i) {
    const double y = Get(layer.y, i);
    passed[static_cast<std::size_t>(i % 17)] += y > 0 && y < 6 ? 1 : 0;
  }
  for (std::int64_t i = 0; i < 17; ++i) {
    EXPECT_EQ(Get(layer.dbeta, i), passed[static_cast<std::size_t>(i)]) << "channel " << i;
  }
}

TEST_F(BatchNormTest, ParameterGradientsAndRunningStatisticsAreOptional) {
  const Layer layer = MakeLayer({2, 9, 9, 18});
  BatchNormForward::Args forward = Forward(layer, Activation::kRelu);
  forward.running_mean = {};
  forward.running_var = {};
  ExpectImplementationsAgree<BatchNormForward>(forward);
  RunReference<BatchNormForward>(forward);
  BatchNormBackward::Args backward = Backward(layer, Activation::kRelu);
  backward.dgamma = {};
  backward.dbeta = {};
  ExpectImplementationsAgree<BatchNormBackward>(backward);
}

TEST_F(BatchNormTest, EmptyBatchLeavesRunningStatisticsAlone) {
  for (const auto& entry : context().registry().Entries<BatchNormForward>()) {
    const Layer layer = MakeLayer({0, 7, 7, 3});
    if (entry.declines && !entry.declines(context(), Forward(layer, Activation::kNone)).empty()) {
      continue;
    }
    entry.run(context(), Forward(layer, Activation::kNone));
    const Layer untouched = MakeLayer({0, 7, 7, 3});
    for (std::int64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(Get(layer.running_mean, i), Get(untouched.running_mean, i)) << entry.name;
      EXPECT_EQ(Get(layer.running_var, i), Get(untouched.running_var, i)) << entry.name;
    }
  }
  const Layer layer = MakeLayer({0, 7, 7, 3});
  Ours<BatchNormBackward>().run(context(), Backward(layer, Activation::kRelu));
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(Get(layer.dgamma, i), 0);
}

TEST_F(BatchNormTest, RepeatedRunsGiveTheSameBits) {
  const Layer first = MakeLayer({4, 28, 28, 40}), second = MakeLayer({4, 28, 28, 40});
  for (const Layer* layer : {&first, &second}) {
    Ours<BatchNormForward>().run(context(), Forward(*layer, Activation::kRelu6));
    Ours<BatchNormBackward>().run(context(), Backward(*layer, Activation::kRelu6));
  }
  const auto same = [](const Tensor& a, const Tensor& b) {
    return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.bytes())) == 0;
  };
  EXPECT_TRUE(same(first.y, second.y));
  EXPECT_TRUE(same(first.inv_std, second.inv_std));
  EXPECT_TRUE(same(first.dx, second.dx));
  EXPECT_TRUE(same(first.dgamma, second.dgamma));
}

// Parameters and statistics of bf16 tensors are f32.
TEST_F(BatchNormTest, NarrowStatisticsAreRefused) {
  const Layer layer = MakeLayer({2, 3, 3, 4}, DType::kBf16);
  BatchNormForward::Args args = Forward(layer, Activation::kNone);
  const Tensor narrow = RandomTensor({4}, 1, DType::kBf16);
  args.mean = narrow;
  for (const auto& entry : context().registry().Entries<BatchNormForward>()) {
    try {
      entry.run(context(), args);
      ADD_FAILURE() << entry.name << " took a mean in bf16";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "batch_norm_forward: mean is bf16, expected f32") << entry.name;
    }
  }
}

TEST_F(BatchNormTest, MismatchedArgumentsAreNamed) {
  const Layer layer = MakeLayer({2, 3, 3, 4});
  BatchNormForward::Args args = Forward(layer, Activation::kNone);
  const Tensor narrow = Filled({3}, 1);
  args.beta = narrow;
  for (const auto& entry : context().registry().Entries<BatchNormForward>()) {
    try {
      entry.run(context(), args);
      ADD_FAILURE() << entry.name << " took a beta of another width";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "batch_norm_forward: beta is 3, expected 4") << entry.name;
    }
  }
}

}  // namespace
}  // namespace nasengine
