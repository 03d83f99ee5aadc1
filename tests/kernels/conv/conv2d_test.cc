// Dense convolution: the reference against finite differences, every implementation against the
// reference.
// SPDX-License-Identifier: MIT
#include "kernels/conv/conv2d.h"

#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

KernelRegistry MakeRegistry() {
  KernelRegistry registry;
  RegisterConv2dReference(registry);
  RegisterConv2dOnednn(registry);
  return registry;
}

struct Image {
  std::int64_t n, h, w;
};
struct Channels {
  std::int64_t in, out;
};

ConvGeometry Geometry(const Image& image, const Channels& channels, std::int64_t kernel,
                      std::int64_t stride) {
  return {.n = image.n,
          .h = image.h,
          .w = image.w,
          .c_in = channels.in,
          .c_out = channels.out,
          .kernel = kernel,
          .stride = stride,
          .pad = kernel / 2};
}

std::string Describe(const ConvGeometry& g) {
  return StrCat(g.n, "x", g.h, "x", g.w, "x", g.c_in, " to ", g.c_out, " kernel ", g.kernel,
                " stride ", g.stride, " pad ", g.pad);
}

class Conv2dTest : public KernelFixture {
 protected:
  Conv2dTest() : KernelFixture(MakeRegistry()) {}

  Tensor X(const ConvGeometry& g, DType dtype = DType::kF32) {
    return RandomTensor({g.n, g.h, g.w, g.c_in}, 1, dtype);
  }
  Tensor W(const ConvGeometry& g, DType dtype = DType::kF32) {
    return RandomTensor({g.c_out, g.kernel, g.kernel, g.c_in}, 2, dtype);
  }
  Tensor Dy(const ConvGeometry& g, DType dtype = DType::kF32) {
    return RandomTensor({g.n, g.out_h(), g.out_w(), g.c_out}, 3, dtype);
  }

  void ExpectForwardAgrees(const ConvGeometry& g, bool has_bias, Activation activation) {
    SCOPED_TRACE(Describe(g));
    const Tensor bias = RandomTensor({g.c_out}, 4);
    for (const DType dtype : kStorageTypes) {
      SCOPED_TRACE(Name(dtype));
      const Tensor x = X(g, dtype), w = W(g, dtype), y = Dy(g, dtype);
      ExpectImplementationsAgree<Conv2dForward>({.geometry = g,
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
      ExpectImplementationsAgree<Conv2dBackwardData>({.geometry = g, .dy = dy, .w = w, .dx = dx});
      for (const bool accumulate : {false, true}) {
        ExpectImplementationsAgree<Conv2dBackwardWeights>(
            {.geometry = g, .x = x, .dy = dy, .dw = dw, .accumulate = accumulate});
      }
    }
  }
};

TEST_F(Conv2dTest, ReferenceGradientsMatchFiniteDifferences) {
  for (const ConvGeometry& g :
       {Geometry({2, 5, 4}, {3, 2}, 3, 1), Geometry({1, 6, 5}, {2, 4}, 5, 2),
        Geometry({1, 2, 3}, {2, 1}, 7, 1), Geometry({2, 4, 3}, {1, 3}, 1, 2)}) {
    SCOPED_TRACE(Describe(g));
    const Tensor x = X(g, DType::kF64), w = W(g, DType::kF64), dy = Dy(g, DType::kF64);
    const Tensor y = Dy(g, DType::kF64), dx = X(g, DType::kF64), dw = W(g, DType::kF64);
    const auto loss = [&] {
      RunReference<Conv2dForward>({.geometry = g, .x = x, .w = w, .bias = {}, .y = y});
      return Dot(y, dy);
    };
    RunReference<Conv2dBackwardData>({.geometry = g, .dy = dy, .w = w, .dx = dx});
    RunReference<Conv2dBackwardWeights>({.geometry = g, .x = x, .dy = dy, .dw = dw});
    ExpectGradient(x, dx, loss);
    ExpectGradient(w, dw, loss);
  }
}

TEST_F(Conv2dTest, ReferenceForwardMatchesAHandComputedRow) {
  const ConvGeometry g = Geometry({1, 1, 3}, {2, 1}, 3, 1);
  const Tensor x = Filled({1, 1, 3, 2}, 1), w = Filled({1, 3, 3, 2}, 0),
               y = Filled({1, 1, 3, 1}, 9);
  Set(x, 2, 2);  // x(0, 1) = (2, 1)
  for (int i = 0; i < 6; ++i)
    Set(w, 6 + i, i % 2 == 0 ? i / 2 + 1 : 1);  // middle row: (1,1) (2,1) (3,1)
  const Tensor bias = Filled({1}, -4);
  RunReference<Conv2dForward>(
      {.geometry = g, .x = x, .w = w, .bias = bias, .activation = Activation::kRelu6, .y = y});
  // (2*1 + 1) + (3*2 + 1) = 10, (1 + 1) + (4 + 1) + (3 + 1) = 11, (2 + 1) + (2 + 1) = 6; less 4.
  EXPECT_EQ(Get(y, 0), 6);
  EXPECT_EQ(Get(y, 1), 6);
  EXPECT_EQ(Get(y, 2), 2);
}

TEST_F(Conv2dTest, ReferenceAddsToTheGradientWhenAskedTo) {
  const ConvGeometry g = Geometry({1, 3, 3}, {2, 3}, 3, 1);
  const Tensor x = X(g), dy = Dy(g), once = Filled({3, 3, 3, 2}, 0),
               twice = Filled({3, 3, 3, 2}, 9);
  RunReference<Conv2dBackwardWeights>({.geometry = g, .x = x, .dy = dy, .dw = once});
  for (const bool accumulate : {false, true}) {
    RunReference<Conv2dBackwardWeights>(
        {.geometry = g, .x = x, .dy = dy, .dw = twice, .accumulate = accumulate});
  }
  for (std::int64_t i = 0; i < once.elements(); ++i) {
    EXPECT_FLOAT_EQ(Get(twice, i), 2 * Get(once, i));
  }
}

TEST_F(Conv2dTest, ImplementationsAgreeForEveryKernelStrideAndSize) {
  for (const std::int64_t kernel : {1, 3, 5, 7}) {
    for (const std::int64_t stride : {1, 2}) {
      for (const Image& image : {Image{2, 1, 1}, {1, 7, 4}, {2, 9, 17}}) {
        ExpectAllAgree(Geometry(image, {5, 19}, kernel, stride));
      }
    }
  }
}

TEST_F(Conv2dTest, ImplementationsAgreeForEveryChannelCount) {
  for (const Channels& channels :
       {Channels{1, 1}, {3, 32}, {3, 17}, {1, 16}, {16, 1}, {24, 20}, {32, 48}, {33, 7}}) {
    ExpectAllAgree(Geometry({2, 9, 11}, channels, 3, 1));
    ExpectAllAgree(Geometry({1, 8, 9}, channels, 3, 2));
  }
}

// Large enough for two threads, as the first layer of a network is.
TEST_F(Conv2dTest, ImplementationsAgreeOnSeveralThreads) {
  ExpectAllAgree(Geometry({3, 33, 31}, {3, 32}, 3, 2));
  ExpectAllAgree(Geometry({1, 28, 28}, {1, 16}, 3, 1));
}

TEST_F(Conv2dTest, ImplementationsAgreeForUnusualPadding) {
  for (const std::int64_t pad : {0, 1, 4}) {
    ConvGeometry g = Geometry({1, 9, 11}, {5, 8}, 5, 2);
    g.pad = pad;
    ExpectAllAgree(g);
  }
}

TEST_F(Conv2dTest, ImplementationsAgreeForBiasAndActivation) {
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    for (const bool bias : {false, true}) {
      ExpectForwardAgrees(Geometry({2, 7, 9}, {3, 21}, 3, 2), bias, activation);
      ExpectForwardAgrees(Geometry({1, 7, 9}, {16, 32}, 3, 1), bias, activation);
    }
  }
}

TEST_F(Conv2dTest, AnEmptyBatchHasAZeroGradient) {
  const ConvGeometry g = Geometry({0, 5, 5}, {3, 4}, 3, 1);
  const Tensor x = X(g), w = W(g), y = Dy(g), dx = X(g), dw = W(g);
  Dispatch<Conv2dForward>(context(), {.geometry = g, .x = x, .w = w, .bias = {}, .y = y});
  Dispatch<Conv2dBackwardData>(context(), {.geometry = g, .dy = y, .w = w, .dx = dx});
  Dispatch<Conv2dBackwardWeights>(context(),
                                  {.geometry = g, .x = x, .dy = y, .dw = dw, .accumulate = true});
  EXPECT_EQ(Get(dw, 0), Get(W(g), 0));
  Dispatch<Conv2dBackwardWeights>(context(), {.geometry = g, .x = x, .dy = y, .dw = dw});
  for (std::int64_t i = 0; i < dw.elements(); ++i) EXPECT_EQ(Get(dw, i), 0);
}

TEST_F(Conv2dTest, EveryImplementationRefusesTensorsThatDoNotFit) {
  const ConvGeometry g = Geometry({1, 5, 5}, {3, 4}, 3, 1);
  const Tensor x = X(g), w = RandomTensor({4, 3, 3, 2}, 2), y = Dy(g);
  for (const auto& entry : context().registry().Entries<Conv2dForward>()) {
    EXPECT_THROW(entry.run(context(), {.geometry = g, .x = x, .w = w, .bias = {}, .y = y}), Error)
        << entry.name;
  }
}

TEST_F(Conv2dTest, TheVendorDeclinesWhatItCannotRunAndSaysWhy) {
  const ConvGeometry g = Geometry({1, 5, 5}, {3, 4}, 3, 1),
                     none = Geometry({0, 5, 5}, {3, 4}, 3, 1);
  const Tensor x = X(g, DType::kF64), w = W(g, DType::kF64), y = Dy(g, DType::kF64);
  const Tensor x0 = X(none), w0 = W(none), y0 = Dy(none);
  for (const auto& entry : context().registry().Entries<Conv2dForward>()) {
    if (entry.impl != Impl::kVendor) continue;
    EXPECT_EQ(entry.declines(context(), {.geometry = g, .x = x, .w = w, .bias = {}, .y = y}),
              "found f64, takes f32 and bf16");
    EXPECT_EQ(entry.declines(context(), {.geometry = none, .x = x0, .w = w0, .bias = {}, .y = y0}),
              "the batch is empty");
  }
}

// What makes a measured latency repeatable: once prepared, running allocates nothing.
TEST_F(Conv2dTest, ASecondRunAllocatesNothing) {
  const ConvGeometry g = Geometry({1, 16, 16}, {3, 24}, 3, 2);
  const Tensor x = X(g), w = W(g), y = Dy(g);
  const Conv2dForward::Args args{.geometry = g, .x = x, .w = w, .bias = {}, .y = y};
  Dispatch<Conv2dForward>(context(), args);
  const std::int64_t active_bytes = allocator().stats().active_bytes;
  allocator().ResetPeak();
  Dispatch<Conv2dForward>(context(), args);
  EXPECT_EQ(allocator().stats().peak_bytes, active_bytes);
}

}  // namespace
}  // namespace nasengine
