// Pointwise convolution: the reference against finite differences, every implementation against the
// reference.
// SPDX-License-Identifier: MIT
#include "kernels/conv/pointwise_conv.h"

#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

KernelRegistry MakeRegistry() {
  KernelRegistry registry;
  RegisterPointwiseConvReference(registry);
  RegisterPointwiseConvOnednn(registry);
  return registry;
}

struct Image {
  std::int64_t n, h, w;
};

ConvGeometry Geometry(const Image& image, std::int64_t c_in, std::int64_t c_out) {
  return {.n = image.n, .h = image.h, .w = image.w, .c_in = c_in, .c_out = c_out};
}

std::string Describe(const ConvGeometry& g) {
  return StrCat(g.n, "x", g.h, "x", g.w, "x", g.c_in, " to ", g.c_out);
}

class PointwiseConvTest : public KernelFixture {
 protected:
  PointwiseConvTest() : KernelFixture(MakeRegistry()) {}

  Tensor X(const ConvGeometry& g, DType dtype = DType::kF32) {
    return RandomTensor({g.n, g.h, g.w, g.c_in}, 1, dtype);
  }
  Tensor W(const ConvGeometry& g, DType dtype = DType::kF32) {
    return RandomTensor({g.c_out, g.c_in}, 2, dtype);
  }
  Tensor Dy(const ConvGeometry& g, DType dtype = DType::kF32) {
    return RandomTensor({g.n, g.h, g.w, g.c_out}, 3, dtype);
  }

  void ExpectForwardAgrees(const ConvGeometry& g, bool has_bias, Activation activation) {
    SCOPED_TRACE(Describe(g));
    const Tensor bias = RandomTensor({g.c_out}, 4);
    for (const DType dtype : kStorageTypes) {
      SCOPED_TRACE(Name(dtype));
      const Tensor x = X(g, dtype), w = W(g, dtype), y = Dy(g, dtype);
      ExpectImplementationsAgree<PointwiseConvForward>(
          {.geometry = g,
           .x = x,
           .w = w,
           .bias = has_bias ? ConstView(bias) : ConstView(),
           .activation = activation,
           .y = y});
    }
  }

  void ExpectAllAgree(const ConvGeometry& g) {
    SCOPED_TRACE(Describe(g));
    ExpectForwardAgrees(g, false, Activation::kNone);
    const Tensor dw = W(g);
    for (const DType dtype : kStorageTypes) {
      SCOPED_TRACE(Name(dtype));
      const Tensor x = X(g, dtype), w = W(g, dtype), dy = Dy(g, dtype), dx = X(g, dtype);
      ExpectImplementationsAgree<PointwiseConvBackwardData>(
          {.geometry = g, .dy = dy, .w = w, .dx = dx});
      for (const bool accumulate : {false, true}) {
        ExpectImplementationsAgree<PointwiseConvBackwardWeights>(
            {.geometry = g, .x = x, .dy = dy, .dw = dw, .accumulate = accumulate});
      }
    }
  }
};

TEST_F(PointwiseConvTest, ReferenceGradientsMatchFiniteDifferences) {
  for (const ConvGeometry& g :
       {Geometry({2, 3, 4}, 3, 5), Geometry({1, 1, 1}, 4, 1), Geometry({1, 2, 3}, 1, 2)}) {
    SCOPED_TRACE(Describe(g));
    const Tensor x = X(g, DType::kF64), w = W(g, DType::kF64), dy = Dy(g, DType::kF64);
    const Tensor y = Dy(g, DType::kF64), dx = X(g, DType::kF64), dw = W(g, DType::kF64);
    const auto loss = [&] {
      RunReference<PointwiseConvForward>({.geometry = g, .x = x, .w = w, .bias = {}, .y = y});
      return Dot(y, dy);
    };
    RunReference<PointwiseConvBackwardData>({.geometry = g, .dy = dy, .w = w, .dx = dx});
    RunReference<PointwiseConvBackwardWeights>({.geometry = g, .x = x, .dy = dy, .dw = dw});
    ExpectGradient(x, dx, loss);
    ExpectGradient(w, dw, loss);
  }
}

TEST_F(PointwiseConvTest, ReferenceForwardMatchesAHandComputedPixel) {
  const ConvGeometry g = Geometry({1, 1, 1}, 2, 3);
  const Tensor x = Filled({1, 1, 1, 2}, 3), w = Filled({3, 2}, 1), y = Filled({1, 1, 1, 3}, 9);
  const Tensor bias = Filled({3}, 0);
  Set(w, 0, -4);
  Set(w, 3, -1);
  Set(bias, 1, 2);
  Set(bias, 2, 1);
  RunReference<PointwiseConvForward>(
      {.geometry = g, .x = x, .w = w, .bias = bias, .activation = Activation::kRelu6, .y = y});
  // -12 + 3, 3 - 3 + 2, 3 + 3 + 1, cut to 0 .. 6.
  EXPECT_EQ(Get(y, 0), 0);
  EXPECT_EQ(Get(y, 1), 2);
  EXPECT_EQ(Get(y, 2), 6);
}

TEST_F(PointwiseConvTest, ImplementationsAgreeForEverySizeAndChannelCount) {
  for (const Image& image : {Image{1, 1, 1}, {1, 7, 7}, {2, 5, 9}, {3, 14, 13}}) {
    for (const auto& [c_in, c_out] :
         {std::pair{1, 1}, {1, 16}, {16, 1}, {3, 17}, {16, 96}, {24, 20}, {33, 7}, {96, 24}}) {
      ExpectAllAgree(Geometry(image, c_in, c_out));
    }
  }
}

// Long sums and enough rows for two threads.
TEST_F(PointwiseConvTest, ImplementationsAgreeOnSeveralThreads) {
  ExpectAllAgree(Geometry({5, 28, 28}, 16, 40));
  ExpectAllAgree(Geometry({2, 7, 7}, 320, 129));
  ExpectAllAgree(Geometry({1, 7, 7}, 960, 24));
}

TEST_F(PointwiseConvTest, ImplementationsAgreeForBiasAndActivation) {
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    for (const bool bias : {false, true}) {
      ExpectForwardAgrees(Geometry({2, 7, 5}, 13, 21), bias, activation);
      ExpectForwardAgrees(Geometry({1, 8, 8}, 16, 32), bias, activation);
    }
  }
}

TEST_F(PointwiseConvTest, AnEmptyBatchHasAZeroGradient) {
  const ConvGeometry g = Geometry({0, 5, 5}, 3, 4);
  const Tensor x = X(g), w = W(g), y = Dy(g), dx = X(g), dw = W(g);
  Dispatch<PointwiseConvForward>(context(), {.geometry = g, .x = x, .w = w, .bias = {}, .y = y});
  Dispatch<PointwiseConvBackwardData>(context(), {.geometry = g, .dy = y, .w = w, .dx = dx});
  Dispatch<PointwiseConvBackwardWeights>(
      context(), {.geometry = g, .x = x, .dy = y, .dw = dw, .accumulate = true});
  EXPECT_EQ(Get(dw, 0), Get(W(g), 0));
  Dispatch<PointwiseConvBackwardWeights>(context(), {.geometry = g, .x = x, .dy = y, .dw = dw});
  for (std::int64_t i = 0; i < dw.elements(); ++i) EXPECT_EQ(Get(dw, i), 0);
}

TEST_F(PointwiseConvTest, EveryImplementationRefusesAStride) {
  ConvGeometry g = Geometry({1, 4, 4}, 3, 4);
  g.stride = 2;
  const Tensor x = X(g), w = W(g), y = RandomTensor({1, 2, 2, 4}, 3);
  for (const auto& entry : context().registry().Entries<PointwiseConvForward>()) {
    EXPECT_THROW(entry.run(context(), {.geometry = g, .x = x, .w = w, .bias = {}, .y = y}), Error)
        << entry.name;
  }
}

}  // namespace
}  // namespace nasengine
