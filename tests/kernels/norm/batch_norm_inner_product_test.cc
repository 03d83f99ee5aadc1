// The inner product with a batch norm's result: the reference against the two operators that it
// stands for, every implementation against the reference.
// SPDX-License-Identifier: MIT
#include "kernels/norm/batch_norm_inner_product.h"

#include <cstring>

#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/batch_norm.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

KernelRegistry MakeRegistry() {
  KernelRegistry registry;
  RegisterBatchNormReference(registry);
  RegisterElementwiseReference(registry);
  RegisterBatchNormInnerProductReference(registry);
  RegisterBatchNormInnerProductHighway(registry);
  return registry;
}

class BatchNormInnerProductTest : public KernelFixture {
 protected:
  BatchNormInnerProductTest() : KernelFixture(MakeRegistry()) {}

  struct Case {
    Tensor x, dy, gamma, beta, mean, inv_std, result;

    BatchNormInnerProduct::Args args() const { return {x, dy, gamma, beta, mean, inv_std, result}; }
  };
  // The mean is that of the elements but for the channel's own part of it.
  Case MakeCase(const Shape& shape, DType dtype = DType::kF32, double mean = 0) {
    const Shape channels{shape.back()};
    const DType wide = SumType(dtype);
    return {.x = RandomTensor(shape, 1, dtype, 1, mean),
            .dy = RandomTensor(shape, 2, dtype),
            .gamma = RandomTensor(channels, 3, wide),
            .beta = RandomTensor(channels, 4, wide),
            .mean = RandomTensor(channels, 5, wide, 1, mean),
            .inv_std = RandomTensor(channels, 6, wide, 0.1, 1),
            .result = Filled({1}, 9, wide)};
  }
  void ExpectAllAgree(const Shape& shape, double mean = 0) {
    for (const DType dtype : kStorageTypes) {
      SCOPED_TRACE(StrCat(ToString(shape), " ", Name(dtype), " mean ", mean));
      ExpectImplementationsAgree<BatchNormInnerProduct>(MakeCase(shape, dtype, mean).args());
    }
  }
};

TEST_F(BatchNormInnerProductTest, ReferenceIsBatchNormThenInnerProduct) {
  const Case c = MakeCase({3, 4, 5, 7}, DType::kF64, 2);
  const Tensor y = Filled(c.x.shape(), 0, DType::kF64);
  RunReference<BatchNormForward>({.x = c.x,
                                  .gamma = c.gamma,
                                  .beta = c.beta,
                                  .y = y,
                                  .mean = c.mean,
                                  .inv_std = c.inv_std,
                                  .running_mean = {},
                                  .running_var = {}});
  const Tensor expected = Filled({1}, 0, DType::kF64);
  RunReference<InnerProduct>({c.dy, y, expected});
  RunReference<BatchNormInnerProduct>(c.args());
  // 420 terms of about one, each rounded a few times in f64.
  EXPECT_NEAR(Get(c.result, 0), Get(expected, 0), 420 * 8 * 0x1p-52);
}

TEST_F(BatchNormInnerProductTest, ImplementationsAgreeForEveryChannelCount) {
  for (const std::int64_t c : {1, 3, 16, 17, 33, 96}) ExpectAllAgree({2, 5, 7, c});
}

TEST_F(BatchNormInnerProductTest, ImplementationsAgreeForFewRowsAndMany) {
  for (const std::int64_t rows : {1, 2, 7, 129}) ExpectAllAgree({rows, 1, 1, 19});
  ExpectAllAgree({1, 3, 3, 2100});
  ExpectAllAgree({2, 1, 5, 1283});
  ExpectAllAgree({8, 7, 7, 320});
  ExpectAllAgree({5, 56, 57, 16});
}

TEST_F(BatchNormInnerProductTest, ImplementationsAgreeFarFromZero) {
  ExpectAllAgree({6, 17, 19, 24}, 1e4);
  ExpectAllAgree({6, 17, 19, 24}, -1e4);
}

// Parts of larger tensors begin anywhere: no vector may be taken for granted.
TEST_F(BatchNormInnerProductTest, ImplementationsAgreeOnPartsOfTensors) {
  for (const DType dtype : kStorageTypes) {
    Case c = MakeCase({2, 5, 5, 16}, dtype);
    for (Tensor* tensor : {&c.x, &c.dy, &c.gamma, &c.beta, &c.mean, &c.inv_std}) {
      const Tensor larger = Filled({tensor->elements() + 1}, 9, tensor->dtype());
      const Tensor part = larger.Slice(1, tensor->shape());
      std::memcpy(part.data(), tensor->data(), static_cast<std::size_t>(tensor->bytes()));
      *tensor = part;
    }
    ExpectImplementationsAgree<BatchNormInnerProduct>(c.args());
  }
}

TEST_F(BatchNormInnerProductTest, EmptyBatchGivesZero) {
  for (const auto& entry : context().registry().Entries<BatchNormInnerProduct>()) {
    const Case c = MakeCase({0, 7, 7, 3});
    entry.run(context(), c.args());
    EXPECT_EQ(Get(c.result, 0), 0) << entry.name;
  }
}

TEST_F(BatchNormInnerProductTest, RepeatedRunsGiveTheSameBits) {
  const Case c = MakeCase({4, 28, 28, 40});
  Ours<BatchNormInnerProduct>().run(context(), c.args());
  const double first = Get(c.result, 0);
  Ours<BatchNormInnerProduct>().run(context(), c.args());
  EXPECT_EQ(Get(c.result, 0), first);
}

TEST_F(BatchNormInnerProductTest, MismatchedArgumentsAreNamed) {
  const Case c = MakeCase({2, 3, 3, 4});
  const Tensor narrow = Filled({3}, 1);
  BatchNormInnerProduct::Args args = c.args();
  args.beta = narrow;
  for (const auto& entry : context().registry().Entries<BatchNormInnerProduct>()) {
    try {
      entry.run(context(), args);
      ADD_FAILURE() << entry.name << " took a beta of another width";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "batch_norm_inner_product: beta is 3, expected 4") << entry.name;
    }
  }
}

}  // namespace
}  // namespace nasengine
