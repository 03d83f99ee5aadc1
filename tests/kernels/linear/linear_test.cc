// The linear layer: the reference against finite differences, every implementation against the
// reference.
// SPDX-License-Identifier: MIT
#include "kernels/linear/linear.h"

#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

KernelRegistry MakeRegistry() {
  KernelRegistry registry;
  RegisterLinearReference(registry);
  RegisterLinearOnednn(registry);
  return registry;
}

struct Sizes {
  std::int64_t n, in, out;
};

class LinearTest : public KernelFixture {
 protected:
  LinearTest() : KernelFixture(MakeRegistry()) {}

  Tensor X(const Sizes& s, DType dtype = DType::kF32) {
    return RandomTensor({s.n, s.in}, 1, dtype);
  }
  Tensor W(const Sizes& s, DType dtype = DType::kF32) {
    return RandomTensor({s.out, s.in}, 2, dtype);
  }
  Tensor Dy(const Sizes& s, DType dtype = DType::kF32) {
    return RandomTensor({s.n, s.out}, 3, dtype);
  }
  Tensor Bias(const Sizes& s, DType dtype = DType::kF32) { return RandomTensor({s.out}, 4, dtype); }
};

TEST_F(LinearTest, ReferenceGradientsMatchFiniteDifferences) {
  for (const Sizes& s : {Sizes{3, 4, 5}, {1, 7, 1}, {4, 1, 3}}) {
    const Tensor x = X(s, DType::kF64), w = W(s, DType::kF64), bias = Bias(s, DType::kF64);
    const Tensor dy = Dy(s, DType::kF64), y = Dy(s, DType::kF64);
    const Tensor dx = X(s, DType::kF64), dw = W(s, DType::kF64), dbias = Bias(s, DType::kF64);
    const auto loss = [&] {
      RunReference<LinearForward>({.x = x, .w = w, .bias = bias, .y = y});
      return Dot(y, dy);
    };
    RunReference<LinearBackwardData>({.dy = dy, .w = w, .dx = dx});
    RunReference<LinearBackwardWeights>({.x = x, .dy = dy, .dw = dw, .dbias = dbias});
    ExpectGradient(x, dx, loss);
    ExpectGradient(w, dw, loss);
    ExpectGradient(bias, dbias, loss);
  }
}

TEST_F(LinearTest, ReferenceForwardMatchesAHandComputedRow) {
  const Tensor x = Filled({1, 2}, 3), w = Filled({2, 2}, 1), y = Filled({1, 2}, 9);
  const Tensor bias = Filled({2}, 0);
  Set(w, 1, -4);
  Set(bias, 1, 2);
  RunReference<LinearForward>({.x = x, .w = w, .bias = bias, .y = y});
  EXPECT_EQ(Get(y, 0), -9);
  EXPECT_EQ(Get(y, 1), 8);
}

TEST_F(LinearTest, ImplementationsAgree) {
  for (const Sizes& s : {Sizes{1, 1, 1},
                         {1, 1280, 10},
                         {1, 33, 100},
                         {5, 1, 7},
                         {7, 19, 1},
                         {64, 200, 10},
                         {33, 65, 17},
                         {128, 320, 100}}) {
    SCOPED_TRACE(StrCat(s.n, "x", s.in, " to ", s.out));
    const Tensor bias = Bias(s), y = Dy(s), dw = W(s), dbias = Bias(s);
    for (const DType dtype : kStorageTypes) {
      SCOPED_TRACE(Name(dtype));
      const Tensor x = X(s, dtype), w = W(s, dtype), dy = Dy(s, dtype), dx = X(s, dtype);
      ExpectImplementationsAgree<LinearForward>({.x = x, .w = w, .bias = {}, .y = y});
      ExpectImplementationsAgree<LinearForward>({.x = x, .w = w, .bias = bias, .y = y});
      ExpectImplementationsAgree<LinearBackwardData>({.dy = dy, .w = w, .dx = dx});
      for (const bool accumulate : {false, true}) {
        ExpectImplementationsAgree<LinearBackwardWeights>(
            {.x = x, .dy = dy, .dw = dw, .dbias = {}, .accumulate = accumulate});
        ExpectImplementationsAgree<LinearBackwardWeights>(
            {.x = x, .dy = dy, .dw = dw, .dbias = dbias, .accumulate = accumulate});
      }
    }
  }
}

TEST_F(LinearTest, AnEmptyBatchHasAZeroGradient) {
  const Sizes s{0, 3, 4};
  const Tensor x = X(s), w = W(s), y = Dy(s), dx = X(s), dw = W(s), dbias = Bias(s);
  Dispatch<LinearForward>(context(), {.x = x, .w = w, .bias = {}, .y = y});
  Dispatch<LinearBackwardData>(context(), {.dy = y, .w = w, .dx = dx});
  Dispatch<LinearBackwardWeights>(context(), {.x = x, .dy = y, .dw = dw, .dbias = dbias});
  for (std::int64_t i = 0; i < dw.elements(); ++i) EXPECT_EQ(Get(dw, i), 0);
  for (std::int64_t i = 0; i < dbias.elements(); ++i) EXPECT_EQ(Get(dbias, i), 0);
}

TEST_F(LinearTest, EveryImplementationRefusesTensorsThatDoNotFit) {
  const Sizes s{2, 3, 4};
  const Tensor x = X(s), w = RandomTensor({4, 5}, 2), y = Dy(s);
  for (const auto& entry : context().registry().Entries<LinearForward>()) {
    EXPECT_THROW(entry.run(context(), {.x = x, .w = w, .bias = {}, .y = y}), Error) << entry.name;
  }
}

}  // namespace
}  // namespace nasengine
