// Pooling: gradients against finite differences, every implementation against the reference, and
// what padding and ties mean.
// SPDX-License-Identifier: MIT
#include "kernels/pool/pool.h"

#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

KernelRegistry Kernels() {
  KernelRegistry registry;
  RegisterPoolReference(registry);
  RegisterPoolHighway(registry);
  return registry;
}

ConvGeometry Geometry(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c,
                      std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  return {.n = n,
          .h = h,
          .w = w,
          .c_in = c,
          .c_out = c,
          .kernel = kernel,
          .stride = stride,
          .pad = pad};
}

// Odd sizes, strides 1 to 3 (3 skips inputs), one channel, full vectors and rest, no image, and one
// that several threads share.
const ConvGeometry kGeometries[] = {
    Geometry(1, 1, 1, 1, 1, 1, 0),    Geometry(2, 5, 7, 3, 3, 1, 1),
    Geometry(1, 7, 5, 17, 3, 2, 1),   Geometry(3, 8, 6, 33, 2, 2, 0),
    Geometry(2, 9, 10, 1, 5, 2, 2),   Geometry(1, 7, 8, 5, 2, 3, 0),
    Geometry(0, 5, 5, 8, 3, 1, 1),    Geometry(1, 2, 2, 4, 5, 1, 2),
    Geometry(2, 29, 31, 35, 3, 2, 1), Geometry(1, 14, 14, 128, 7, 7, 0),
};

Shape Input(const ConvGeometry& g) { return {g.n, g.h, g.w, g.c_in}; }
Shape Output(const ConvGeometry& g) { return {g.n, g.out_h(), g.out_w(), g.c_out}; }

class PoolTest : public KernelFixture {
 protected:
  PoolTest() : KernelFixture(Kernels()) {}
};

TEST_F(PoolTest, ImplementationsAgree) {
  for (const ConvGeometry& g : kGeometries) {
    SCOPED_TRACE(ToString(Input(g)));
    for (const DType dtype : kStorageTypes) {
      const Tensor x = RandomTensor(Input(g), 1, dtype);
      const Tensor dy = RandomTensor(Output(g), 2, dtype);
      const Tensor y = Filled(Output(g), 9, dtype);
      const Tensor dx = Filled(Input(g), 9, dtype);
      ExpectImplementationsAgree<AvgPoolForward>({g, x, y});
      ExpectImplementationsAgree<AvgPoolBackward>({g, dy, dx});
      ExpectImplementationsAgree<MaxPoolForward>({g, x, y});
      ExpectImplementationsAgree<MaxPoolBackward>({g, x, dy, dx});
    }
  }
}

TEST_F(PoolTest, MaxBackwardAgreesWhereManyElementsTie) {
  for (const ConvGeometry& g : kGeometries) {
    const Tensor x = RandomTensor(Input(g), 1);
    for (std::int64_t i = 0; i < x.elements(); ++i) Set(x, i, std::max(0.0, std::round(Get(x, i))));
    ExpectImplementationsAgree<MaxPoolBackward>(
        {g, x, RandomTensor(Output(g), 2), Filled(Input(g), 9)});
  }
}

TEST_F(PoolTest, GlobalImplementationsAgree) {
  const Shape shapes[] = {{1, 1, 1, 1},     {2, 5, 7, 3},  {1, 7, 7, 1280}, {0, 7, 7, 16},
                          {3, 14, 13, 131}, {5, 1, 1, 40}, {1, 224, 224, 3}};
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(ToString(shape));
    const Shape pooled = {shape[0], shape[3]};
    for (const DType dtype : kStorageTypes) {
      ExpectImplementationsAgree<GlobalAvgPoolForward>(
          {RandomTensor(shape, 1, dtype), Filled(pooled, 9, dtype)});
      // Same-signed, as after a ReLU: the mean keeps its digits.
      ExpectImplementationsAgree<GlobalAvgPoolForward>(
          {RandomTensor(shape, 1, dtype, 0.1, 3), Filled(pooled, 9, dtype)});
      ExpectImplementationsAgree<GlobalAvgPoolBackward>(
          {RandomTensor(pooled, 2, dtype), Filled(shape, 9, dtype)});
    }
  }
}

TEST_F(PoolTest, BackwardMatchesFiniteDifferences) {
  for (const ConvGeometry& g : {Geometry(2, 5, 4, 2, 3, 1, 1), Geometry(1, 5, 7, 1, 3, 2, 1),
                                Geometry(1, 5, 5, 2, 2, 3, 0)}) {
    const Tensor x = RandomTensor(Input(g), 1, DType::kF64);
    const Tensor y = Filled(Output(g), 0, DType::kF64);
    const Tensor dy = RandomTensor(Output(g), 2, DType::kF64);
    const Tensor dx = Filled(Input(g), 9, DType::kF64);
    RunReference<AvgPoolBackward>({g, dy, dx});
    ExpectGradient(x, dx, [&] {
      RunReference<AvgPoolForward>({g, x, y});
      return Dot(y, dy);
    });
    RunReference<MaxPoolBackward>({g, x, dy, dx});
    ExpectGradient(x, dx, [&] {
      RunReference<MaxPoolForward>({g, x, y});
      return Dot(y, dy);
    });
  }
}

TEST_F(PoolTest, GlobalBackwardMatchesFiniteDifferences) {
  const Tensor x = RandomTensor({2, 3, 5, 2}, 1, DType::kF64);
  const Tensor y = Filled({2, 2}, 0, DType::kF64);
  const Tensor dy = RandomTensor({2, 2}, 2, DType::kF64);
  const Tensor dx = Filled({2, 3, 5, 2}, 9, DType::kF64);
  RunReference<GlobalAvgPoolBackward>({dy, dx});
  ExpectGradient(x, dx, [&] {
    RunReference<GlobalAvgPoolForward>({x, y});
    return Dot(y, dy);
  });
}

TEST_F(PoolTest, PaddingIsNotCounted) {
  const ConvGeometry g = Geometry(1, 3, 3, 1, 3, 1, 1);
  for (const auto& entry : context().registry().Entries<AvgPoolForward>()) {
    const Tensor y = Filled(Output(g), 0);
    entry.run(context(), {g, Filled(Input(g), 2.5), y});
    for (std::int64_t i = 0; i < 9; ++i) EXPECT_FLOAT_EQ(y.As<float>()[i], 2.5f) << entry.name;
  }
  // All below zero: padding must not win either.
  for (const auto& entry : context().registry().Entries<MaxPoolForward>()) {
    const Tensor y = Filled(Output(g), 0);
    entry.run(context(), {g, Filled(Input(g), -2.5), y});
    for (std::int64_t i = 0; i < 9; ++i) EXPECT_EQ(y.As<float>()[i], -2.5f) << entry.name;
  }
}

TEST_F(PoolTest, TiesGoToTheFirstElement) {
  const ConvGeometry g = Geometry(1, 2, 2, 1, 2, 2, 0);
  for (const auto& entry : context().registry().Entries<MaxPoolBackward>()) {
    const Tensor x = Filled(Input(g), 1);
    Set(x, 0, 0);
    const Tensor dx = Filled(Input(g), 9);
    entry.run(context(), {g, x, Filled(Output(g), 5), dx});
    EXPECT_EQ(Get(dx, 0), 0) << entry.name;
    EXPECT_EQ(Get(dx, 1), 5) << entry.name;
    EXPECT_EQ(Get(dx, 2), 0) << entry.name;
    EXPECT_EQ(Get(dx, 3), 0) << entry.name;
  }
}

TEST_F(PoolTest, RefusesWrongArguments) {
  const ConvGeometry g = Geometry(1, 4, 4, 2, 2, 2, 0);
  const Tensor x = Filled(Input(g), 0);
  const Tensor y = Filled(Output(g), 0);
  EXPECT_NO_THROW(Dispatch<AvgPoolForward>(context(), {g, x, y}));
  EXPECT_THROW(Dispatch<AvgPoolForward>(context(), {g, x, x}), Error);
  ConvGeometry wrong = g;
  wrong.pad = 2;
  EXPECT_THROW(Dispatch<AvgPoolForward>(context(), {wrong, x, y}), Error);
  wrong = g;
  wrong.c_out = 3;
  EXPECT_THROW(Dispatch<MaxPoolForward>(context(), {wrong, x, y}), Error);
  wrong = g;
  wrong.kernel = 5;
  EXPECT_THROW(Dispatch<MaxPoolBackward>(context(), {wrong, x, y, x}), Error);
  wrong = g;
  wrong.stride = 0;
  EXPECT_THROW(Dispatch<AvgPoolBackward>(context(), {wrong, y, x}), Error);
  EXPECT_THROW(Dispatch<GlobalAvgPoolForward>(context(), {x, Filled({2, 2}, 0)}), Error);
  EXPECT_THROW(Dispatch<GlobalAvgPoolBackward>(context(), {Filled({1, 3}, 0), x}), Error);
}

}  // namespace
}  // namespace nasengine
