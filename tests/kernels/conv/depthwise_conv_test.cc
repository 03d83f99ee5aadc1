// Depthwise convolution: the reference against finite differences, every implementation against the
// reference.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv.h"

#include <bit>
#include <cstring>

#include "tests/support/instruction_sets.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

KernelRegistry MakeRegistry(bool vendor) {
  KernelRegistry registry;
  RegisterDepthwiseConvReference(registry);
  RegisterDepthwiseConvHighway(registry);
  if (vendor) RegisterDepthwiseConvOnednn(registry);
  return registry;
}

ConvGeometry Geometry(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c,
                      std::int64_t kernel, std::int64_t stride) {
  return {.n = n,
          .h = h,
          .w = w,
          .c_in = c,
          .c_out = c,
          .kernel = kernel,
          .stride = stride,
          .pad = kernel / 2};
}

std::string Describe(const ConvGeometry& g) {
  return StrCat(g.n, "x", g.h, "x", g.w, "x", g.c_in, " kernel ", g.kernel, " stride ", g.stride,
                " pad ", g.pad);
}

class DepthwiseConvTest : public KernelFixture {
 protected:
  explicit DepthwiseConvTest(bool vendor = true) : KernelFixture(MakeRegistry(vendor)) {}

  Tensor X(const ConvGeometry& g, DType dtype = DType::kF32) {
    return RandomTensor({g.n, g.h, g.w, g.c_in}, 1, dtype);
  }
  Tensor W(const ConvGeometry& g, DType dtype = DType::kF32) {
    return RandomTensor({g.kernel, g.kernel, g.c_in}, 2, dtype);
  }
  Tensor Dy(const ConvGeometry& g, DType dtype = DType::kF32) {
    return RandomTensor({g.n, g.out_h(), g.out_w(), g.c_out}, 3, dtype);
  }

  static DepthwiseConvForward::Args ForwardArgs(const ConvGeometry& g, const Tensor& x,
                                                const Tensor& w, const Tensor& y) {
    return {.geometry = g, .x = x, .w = w, .bias = {}, .activation = Activation::kRelu6, .y = y};
  }

  bool OnCpu() { return context().device().type == DeviceType::kCpu; }

  void ExpectForwardAgrees(const ConvGeometry& g, bool bias, Activation activation, DType dtype) {
    const Tensor x = X(g, dtype), w = W(g, dtype), y = Dy(g, dtype), b = RandomTensor({g.c_out}, 4);
    ExpectImplementationsAgree<DepthwiseConvForward>({.geometry = g,
                                                      .x = x,
                                                      .w = w,
                                                      .bias = bias ? ConstView(b) : ConstView(),
                                                      .activation = activation,
                                                      .y = y});
  }

  void ExpectAllAgree(const ConvGeometry& g) {
    SCOPED_TRACE(Describe(g));
    for (const DType dtype : kStorageTypes) {
      SCOPED_TRACE(Name(dtype));
      const Tensor x = X(g, dtype), w = W(g, dtype), dy = Dy(g, dtype), dx = X(g, dtype), dw = W(g);
      ExpectForwardAgrees(g, false, Activation::kNone, dtype);
      ExpectImplementationsAgree<DepthwiseConvBackwardData>(
          {.geometry = g, .dy = dy, .w = w, .dx = dx});
      for (const bool accumulate : {false, true}) {
        ExpectImplementationsAgree<DepthwiseConvBackwardWeights>(
            {.geometry = g, .x = x, .dy = dy, .dw = dw, .accumulate = accumulate});
      }
    }
  }
};

// Ours alone: oneDNN sums thousands of pixels in one f32, which exceeds the tolerance there, and
// chooses its instruction set itself.
class OurDepthwiseConvTest : public DepthwiseConvTest {
 protected:
  OurDepthwiseConvTest() : DepthwiseConvTest(false) {}

  // Another device has one, so that the body runs once.
  template <class Body>
  void OnEveryInstructionSet(const Body& body) {
    if (!OnCpu()) return body();
    ForEachInstructionSet(body);
  }
};

TEST_F(DepthwiseConvTest, ReferenceGradientsMatchFiniteDifferences) {
  for (const ConvGeometry& g : {Geometry(2, 5, 4, 3, 3, 1), Geometry(1, 6, 5, 2, 5, 2),
                                Geometry(1, 2, 3, 2, 7, 1), Geometry(2, 4, 4, 1, 3, 2)}) {
    SCOPED_TRACE(Describe(g));
    const Tensor x = X(g, DType::kF64), w = W(g, DType::kF64), dy = Dy(g, DType::kF64);
    const Tensor y = Dy(g, DType::kF64), dx = X(g, DType::kF64), dw = W(g, DType::kF64);
    const auto loss = [&] {
      DepthwiseConvForward::Args args = ForwardArgs(g, x, w, y);
      args.activation = Activation::kNone;
      RunReference<DepthwiseConvForward>(args);
      return Dot(y, dy);
    };
    RunReference<DepthwiseConvBackwardData>({.geometry = g, .dy = dy, .w = w, .dx = dx});
    RunReference<DepthwiseConvBackwardWeights>({.geometry = g, .x = x, .dy = dy, .dw = dw});
    ExpectGradient(x, dx, loss);
    ExpectGradient(w, dw, loss);
  }
}

TEST_F(DepthwiseConvTest, ReferenceForwardMatchesAHandComputedRow) {
  const ConvGeometry g = Geometry(1, 1, 3, 1, 3, 1);
  const Tensor x = Filled({1, 1, 3, 1}, 1), w = Filled({3, 3, 1}, 0), y = Filled({1, 1, 3, 1}, 9);
  Set(x, 1, 2);
  for (int tap = 0; tap < 3; ++tap) Set(w, 3 + tap, tap + 1);  // the middle row is 1 2 3
  const Tensor bias = Filled({1}, -7);
  RunReference<DepthwiseConvForward>(
      {.geometry = g, .x = x, .w = w, .bias = bias, .activation = Activation::kRelu6, .y = y});
  // 2 * 1 + 3 * 2 = 8, 1 + 4 + 3 = 8, 2 + 2 = 4; less 7, above zero.
  EXPECT_EQ(Get(y, 0), 1);
  EXPECT_EQ(Get(y, 1), 1);
  EXPECT_EQ(Get(y, 2), 0);
}

TEST_F(DepthwiseConvTest, ImplementationsAgreeForEveryKernelStrideAndSize) {
  for (const std::int64_t kernel : {3, 5, 7}) {
    for (const std::int64_t stride : {1, 2}) {
      for (const auto& [h, w] :
           {std::pair{1, 1}, {2, 3}, {4, 4}, {7, 7}, {9, 8}, {5, 17}, {15, 14}, {3, 29}, {6, 47}}) {
        ExpectAllAgree(Geometry(2, h, w, 19, kernel, stride));
      }
    }
  }
}

TEST_F(DepthwiseConvTest, ImplementationsAgreeForEveryChannelCount) {
  for (const std::int64_t c : {1, 3, 8, 16, 17, 33, 96}) {
    for (const std::int64_t stride : {1, 2}) {
      ExpectAllAgree(Geometry(1, 9, 16, c, 5, stride));
      ExpectAllAgree(Geometry(3, 5, 5, c, 7, stride));
    }
  }
}

// Large enough for both threads, with work that does not divide evenly.
TEST_F(OurDepthwiseConvTest, ImplementationsAgreeOnSeveralThreads) {
  ExpectAllAgree(Geometry(1, 7, 7, 112, 7, 1));
  ExpectAllAgree(Geometry(3, 28, 28, 24, 3, 1));
  ExpectAllAgree(Geometry(5, 15, 15, 40, 5, 2));
  ExpectAllAgree(Geometry(1, 57, 31, 33, 3, 2));
}

// So high that 3x3 tiles roll down more than one block of rows.
TEST_F(OurDepthwiseConvTest, ImplementationsAgreeOnHighMaps) {
  ExpectAllAgree(Geometry(1, 90, 70, 20, 3, 1));
  ExpectAllAgree(Geometry(1, 170, 140, 20, 3, 2));
}

// Odd shapes where a vector, a tile or a row block is not full.
TEST_F(OurDepthwiseConvTest, EveryInstructionSetAgreesWithTheReference) {
  OnEveryInstructionSet([&] {
    for (const std::int64_t kernel : {3, 5, 7}) {
      for (const std::int64_t stride : {1, 2}) {
        for (const std::int64_t c : {1, 3, 17}) {
          ExpectAllAgree(Geometry(1, 5, 1, c, kernel, stride));
          ExpectAllAgree(Geometry(2, 7, 9, c, kernel, stride));
        }
        ExpectAllAgree(Geometry(1, 9, 33, 32, kernel, stride));
        ExpectAllAgree(Geometry(3, 4, 14, 24, kernel, stride));
        ExpectAllAgree(Geometry(0, 5, 5, 16, kernel, stride));
      }
    }
  });
}

// Large enough to ask for memory ahead and to write past the caches.
TEST_F(OurDepthwiseConvTest, ImplementationsAgreeOnTensorsBeyondTheCaches) {
  if (!OnCpu()) GTEST_SKIP() << "about the caches of CPUs";
  ExpectAllAgree(Geometry(1, 120, 150, 128, 3, 1));
  ExpectAllAgree(Geometry(1, 121, 147, 128, 3, 2));
}

TEST_F(DepthwiseConvTest, ImplementationsAgreeForUnusualPadding) {
  for (const std::int64_t pad : {0, 1, 2, 4}) {
    for (const std::int64_t stride : {1, 2}) {
      ConvGeometry g = Geometry(1, 9, 11, 5, 5, stride);
      g.pad = pad;
      ExpectAllAgree(g);
    }
  }
}

TEST_F(DepthwiseConvTest, ImplementationsAgreeForEveryGeometry) {
  if (OnCpu()) GTEST_SKIP() << "the CPU's kernels decline these";
  for (const std::int64_t kernel : {1, 2, 4, 9}) {
    for (const std::int64_t stride : {1, 2, 3}) {
      ConvGeometry g = Geometry(2, 9, 11, 5, kernel, stride);
      for (const std::int64_t pad : {std::int64_t{0}, kernel / 2, kernel + 1}) {
        g.pad = pad;
        if (g.h + 2 * pad >= kernel) ExpectAllAgree(g);
      }
    }
  }
  ExpectAllAgree(Geometry(2, 7, 8, 8, 3, 3));
}

TEST_F(DepthwiseConvTest, ImplementationsAgreeWithBiasAndActivation) {
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    for (const bool bias : {false, true}) {
      for (const DType dtype : kStorageTypes) {
        ExpectForwardAgrees(Geometry(2, 9, 9, 19, 3, 1), bias, activation, dtype);
        ExpectForwardAgrees(Geometry(1, 20, 20, 33, 5, 2), bias, activation, dtype);
      }
    }
  }
}

TEST_F(DepthwiseConvTest, EmptyBatchTouchesNothingButItsGradient) {
  for (const DType dtype : kStorageTypes) {
    const ConvGeometry g = Geometry(0, 7, 7, 16, 3, 2);
    const Tensor x = X(g, dtype), dy = Dy(g, dtype), dw = Filled({3, 3, 16}, 5);
    Ours<DepthwiseConvBackwardWeights>().run(context(),
                                             {.geometry = g, .x = x, .dy = dy, .dw = dw});
    for (std::int64_t i = 0; i < dw.elements(); ++i) EXPECT_EQ(Get(dw, i), 0);
  }
}

TEST_F(DepthwiseConvTest, RepeatedRunsGiveTheSameBits) {
  const ConvGeometry g = Geometry(3, 28, 28, 40, 5, 1);
  const Tensor x = X(g), dy = Dy(g), first = W(g), second = W(g);
  const KernelEntry<DepthwiseConvBackwardWeights>& entry = Ours<DepthwiseConvBackwardWeights>();
  entry.run(context(), {.geometry = g, .x = x, .dy = dy, .dw = first});
  entry.run(context(), {.geometry = g, .x = x, .dy = dy, .dw = second});
  EXPECT_EQ(std::memcmp(first.data(), second.data(), static_cast<std::size_t>(first.bytes())), 0);
}

TEST_F(DepthwiseConvTest, AnnouncedWorkspaceIsWhatTheRunUses) {
  const ConvGeometry g = Geometry(4, 28, 28, 40, 5, 1);
  const Tensor x = X(g), dy = Dy(g), dw = W(g);
  const DepthwiseConvBackwardWeights::Args args{.geometry = g, .x = x, .dy = dy, .dw = dw};
  const KernelEntry<DepthwiseConvBackwardWeights>& entry = Ours<DepthwiseConvBackwardWeights>();
  entry.run(context(), args);
  EXPECT_EQ(context().workspace_bytes(), entry.workspace_bytes(context(), args));
}

// Of ours: the vendor's relu6 makes a NaN a zero, which hides a diverging training.
TEST_F(DepthwiseConvTest, NotANumberIsKept) {
  for (const DType dtype : kStorageTypes) {
    const ConvGeometry g = Geometry(1, 5, 5, 16, 3, 1);
    const Tensor x = X(g, dtype), w = W(g, dtype), y = Dy(g, dtype);
    Set(x, 12 * 16, std::nan(""));
    Ours<DepthwiseConvForward>().run(context(), ForwardArgs(g, x, w, y));
    EXPECT_TRUE(std::isnan(Get(y, 12 * 16))) << Name(dtype);
  }
}

// Rounding the largest NaN as if it were a number would make it a negative zero.
TEST_F(OurDepthwiseConvTest, LargestNotANumberIsKeptInBf16) {
  OnEveryInstructionSet([&] {
    for (const std::int64_t kernel : {3, 5}) {
      const ConvGeometry g = Geometry(1, 9, 9, 17, kernel, 1);
      const Tensor x = X(g, DType::kBf16), w = W(g, DType::kBf16), y = Dy(g, DType::kBf16);
      const Tensor bias = Filled({17}, 1);
      View(bias).As<float>()[3] = std::bit_cast<float>(0x7fffffff);
      Ours<DepthwiseConvForward>().run(context(),
                                       {.geometry = g, .x = x, .w = w, .bias = bias, .y = y});
      for (std::int64_t pixel = 0; pixel < 81; ++pixel) {
        EXPECT_TRUE(std::isnan(Get(y, pixel * 17 + 3)));
        EXPECT_FALSE(std::isnan(Get(y, pixel * 17 + 4)));
      }
    }
  });
}

TEST_F(DepthwiseConvTest, MismatchedArgumentsAreNamed) {
  const ConvGeometry g = Geometry(1, 5, 5, 16, 3, 1);
  const Tensor x = X(g), w = Filled({3, 3, 8}, 0), y = Dy(g);
  const DepthwiseConvForward::Args args = ForwardArgs(g, x, w, y);
  for (const auto& entry : context().registry().Entries<DepthwiseConvForward>()) {
    try {
      entry.run(context(), args);
      ADD_FAILURE() << entry.name << " took a kernel of another width";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_STREQ(error.what(), "depthwise_conv_forward: w is 3x3x8, expected 3x3x16");
    }
  }
}

// The master gradient is f32 beside bf16, so that small steps are not lost in it.
TEST_F(DepthwiseConvTest, GradientOfWeightsInBf16IsRefused) {
  const ConvGeometry g = Geometry(1, 5, 5, 16, 3, 1);
  const Tensor x = X(g, DType::kBf16), dy = Dy(g, DType::kBf16), dw = W(g, DType::kBf16);
  try {
    Ours<DepthwiseConvBackwardWeights>().run(context(),
                                             {.geometry = g, .x = x, .dy = dy, .dw = dw});
    ADD_FAILURE() << "took a gradient of weights in bf16";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "depthwise_conv_backward_weights: dw is bf16, expected f32");
  }
}

TEST_F(DepthwiseConvTest, OursDeclinesWhatItCannotRun) {
  if (!OnCpu()) GTEST_SKIP() << "about the CPU's kernel; others take every geometry";
  const auto declines = [&](std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                            DType dtype) {
    ConvGeometry g = Geometry(1, 11, 11, 4, kernel, stride);
    g.pad = pad;
    const Tensor x = X(g, dtype);
    const DepthwiseConvForward::Args args = ForwardArgs(g, x, W(g, dtype), Dy(g, dtype));
    return !Ours<DepthwiseConvForward>().declines(context(), args).empty();
  };
  EXPECT_TRUE(declines(9, 1, 4, DType::kF32));
  EXPECT_TRUE(declines(3, 3, 1, DType::kF32));
  EXPECT_TRUE(declines(3, 1, 3, DType::kF32));
  EXPECT_TRUE(declines(3, 1, 1, DType::kF64));
  EXPECT_FALSE(declines(3, 1, 2, DType::kF32));
  EXPECT_FALSE(declines(3, 1, 1, DType::kBf16));
}

}  // namespace
}  // namespace nasengine
