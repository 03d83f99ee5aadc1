// The steps around a vendor's product or convolution (kernels/cuda/vendor_steps.h) and depthwise
// weights in cuDNN's order, in emulation against plain loops: the vendors' kernels that call them
// run on a card only.
//
// Inputs are multiples of a power of two, so small that f32 has every sum exactly: results are the
// expected bits in every order.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/vendor_steps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/conv/depthwise_conv_cudnn_layout.h"
#include "kernels/core/bfloat16.h"
#include "kernels/core/context.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/core/rng.h"
#include "kernels/cuda/cuda_backend.h"
#include "tests/support/test_device.h"

namespace nasengine::cuda {
namespace {

constexpr DType kTypes[] = {DType::kF32, DType::kBf16};

float Get(ConstView view, std::int64_t i) {
  return view.dtype == DType::kBf16 ? nasengine::Widen(view.As<BFloat16>()[i])
                                    : view.As<float>()[i];
}
void Set(View view, std::int64_t i, float value) {
  if (view.dtype == DType::kBf16) {
    view.As<BFloat16>()[i] = Narrow(value);
  } else {
    view.As<float>()[i] = value;
  }
}

// A number for every element.
using Values = std::function<float(std::int64_t)>;

// -4 to 4 in steps of 1/8, which bf16 has too; the same `stream` gives the same numbers.
float Number(std::uint64_t stream, std::int64_t i) {
  constexpr std::uint32_t kSteps = 65;
  const Rng rng(1, RngPurpose::kTest);
  const std::uint32_t step = rng.Below(kSteps, stream, static_cast<std::uint64_t>(i));
  return static_cast<float>(step) / 8 - 4;
}

// A tensor within a larger one, whose other elements stand out in a result that has read them, and
// which nobody may write.
class Framed {
 public:
  // `shift` 0 gives it the alignment that kernels want for vectors, 1 does not.
  Framed(
      Context& context, const Shape& shape, DType dtype, std::int64_t shift,
      const Values& values = [](std::int64_t) { return 0; })
      : before_(kFrame + shift),
        whole_(context.Empty({shape.elements() + 2 * kFrame}, dtype, MemoryCategory::kActivations)),
        inside_(whole_.Slice(before_, shape)) {
    for (std::int64_t i = 0; i < whole_.elements(); ++i) Set(whole_, i, kOfFrame);
    for (std::int64_t i = 0; i < inside_.elements(); ++i) Set(inside_, i, values(i));
  }

  View view() const { return inside_; }

  void Expect(const Values& expected) const {
    for (std::int64_t at = 0; at < whole_.elements(); ++at) {
      const std::int64_t i = at - before_;
      const bool inside = i >= 0 && i < inside_.elements();
      float value = inside ? expected(i) : kOfFrame;
      if (whole_.dtype() == DType::kBf16) value = nasengine::Widen(Narrow(value));
      const float found = Get(whole_, at);
      ASSERT_TRUE(found == value || (std::isnan(found) && std::isnan(value)))
          << "element " << i << " is " << found << ", expected " << value;
    }
  }

 private:
  static constexpr std::int64_t kFrame = 16;
  static constexpr float kOfFrame = 1024;

  std::int64_t before_;
  Tensor whole_;
  Tensor inside_;
};

class VendorStepsTest : public ::testing::Test {
 protected:
  ~VendorStepsTest() override { SetEmulatedOrder("forward"); }

  Framed Numbers(std::uint64_t stream, const Shape& shape, DType dtype = DType::kF32,
                 std::int64_t shift = 0) {
    return {context_, shape, dtype, shift, [&](std::int64_t i) { return Number(stream, i); }};
  }

  static void InAllOrders(const std::function<void()>& body) {
    for (const std::string_view order : kEmulatedOrders) {
      SCOPED_TRACE(order);
      SetEmulatedOrder(order);
      body();
    }
  }

  std::unique_ptr<CudaBackend> backend_ = MakeCudaBackend(0, /*host_visible=*/true);
  KernelRegistry registry_;
  BlockAllocator blocks_{*backend_};
  Context context_{*backend_, blocks_, registry_, KernelPolicy(), 1};
};

// Needs rounding where the result is bf16.
float Bias(std::int64_t channel) { return Number(2, channel) + Number(3, channel) / 512; }

// Among the numbers some that are none.
float Unbounded(std::int64_t i) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kOthers[] = {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity};
  constexpr std::int64_t kEvery = 19;
  return i % kEvery == 3 ? kOthers[i / kEvery % 3] : Number(1, i);
}

float Activated(float value, Activation activation) {
  if (activation == Activation::kNone || std::isnan(value)) return value;
  const float most = activation == Activation::kRelu6 ? 6 : std::numeric_limits<float>::infinity();
  return std::clamp(value, 0.0F, most);
}

class AddBiasAndActivateTest : public VendorStepsTest {
 protected:
  // Which of the three views is not aligned for vectors.
  enum class Misaligned { kNone, kFrom, kTo, kBias };

  void Expect(const Shape& shape, DType from_type, DType to_type, Misaligned misaligned) {
    const std::int64_t channels = shape.back();
    const auto shift = [&](Misaligned view) { return view == misaligned ? 1 : 0; };
    const Framed from(context_, shape, from_type, shift(Misaligned::kFrom), Unbounded);
    const Framed bias(context_, {channels}, DType::kF32, shift(Misaligned::kBias), Bias);
    for (const bool biased : {true, false}) {
      for (const auto activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
        SCOPED_TRACE(StrCat(ToString(shape), " ", nasengine::Name(from_type), " to ",
                            nasengine::Name(to_type), biased ? ", biased, " : ", ",
                            nasengine::Name(activation)));
        const Framed to(context_, shape, to_type, shift(Misaligned::kTo));
        AddBiasAndActivate(context_, from.view(), biased ? bias.view() : View{}, activation,
                           to.view());
        to.Expect([&](std::int64_t i) {
          return Activated(Unbounded(i) + (biased ? Bias(i % channels) : 0), activation);
        });
      }
    }
  }
};

// Rows of whole vectors and of others, in one block of threads and in several.
TEST_F(AddBiasAndActivateTest, IsThePlainLoop) {
  InAllOrders([&] {
    for (const Shape& shape : {Shape{1, 1, 1, 1}, {2, 3, 5, 13}, {8, 5}, {3, 5, 7, 12}, {5, 260}}) {
      for (const DType from : kTypes) {
        for (const DType to : kTypes) Expect(shape, from, to, Misaligned::kNone);
      }
    }
  });
}

TEST_F(AddBiasAndActivateTest, ViewsNeedNotBeAlignedForVectors) {
  InAllOrders([&] {
    for (const auto misaligned : {Misaligned::kFrom, Misaligned::kTo, Misaligned::kBias}) {
      for (const DType from : kTypes) {
        for (const DType to : kTypes) Expect({3, 5, 8}, from, to, misaligned);
      }
    }
  });
}

TEST_F(AddBiasAndActivateTest, MayOverwriteWhatItReads) {
  InAllOrders([&] {
    for (const Shape& shape : {Shape{7, 11, 5}, {7, 11, 8}}) {
      for (const DType dtype : kTypes) {
        const Framed both = Numbers(1, shape, dtype);
        const Framed bias(context_, {shape.back()}, DType::kF32, 0, Bias);
        AddBiasAndActivate(context_, both.view(), bias.view(), Activation::kRelu, both.view());
        both.Expect([&](std::int64_t i) {
          return Activated(Number(1, i) + Bias(i % shape.back()), Activation::kRelu);
        });
      }
    }
  });
}

TEST_F(VendorStepsTest, WideningKeepsEveryValue) {
  const Framed from(context_, {9, 29}, DType::kBf16, 0, Unbounded);
  InAllOrders([&] {
    const Framed to(context_, {9, 29}, DType::kF32, 0);
    cuda::Widen(context_, from.view(), to.view());
    to.Expect(Unbounded);
  });
}

TEST_F(VendorStepsTest, AddToIsThePlainLoop) {
  InAllOrders([&] {
    for (const std::int64_t count : {1, 4, 7, 1024, 1028, 2051}) {
      for (const auto& [from_shift, to_shift] : {std::pair{0, 0}, {1, 0}, {0, 1}}) {
        SCOPED_TRACE(StrCat(count, " elements, shifted by ", from_shift, " and ", to_shift));
        const Framed from = Numbers(1, {count}, DType::kF32, from_shift);
        const Framed to = Numbers(2, {count}, DType::kF32, to_shift);
        AddTo(context_, from.view(), to.view());
        from.Expect([](std::int64_t i) { return Number(1, i); });
        to.Expect([](std::int64_t i) { return Number(1, i) + Number(2, i); });
      }
    }
  });
}

// Fewer and more rows and columns than a block of threads has.
TEST_F(VendorStepsTest, SumColumnsIsThePlainLoop) {
  InAllOrders([&] {
    for (const Shape& shape : {Shape{1, 1}, {0, 5}, {7, 31}, {8, 32}, {9, 33}, {70, 65}}) {
      const std::int64_t rows = shape[0], columns = shape[1];
      for (const DType dtype : kTypes) {
        for (const bool accumulate : {false, true}) {
          SCOPED_TRACE(StrCat(ToString(shape), " ", nasengine::Name(dtype),
                              accumulate ? ", accumulated" : ""));
          const Framed from = Numbers(1, shape, dtype);
          const Framed to = Numbers(2, {columns});
          SumColumns(context_, from.view(), accumulate, to.view());
          to.Expect([&](std::int64_t column) {
            float sum = accumulate ? Number(2, column) : 0;
            for (std::int64_t row = 0; row < rows; ++row) sum += Number(1, row * columns + column);
            return sum;
          });
        }
      }
    }
  });
}

// Calls body(kernel, channels) for weights in less than a block of threads and in several.
void ForEachWeights(const std::function<void(std::int64_t, std::int64_t)>& body) {
  for (const std::int64_t kernel : {1, 3, 5, 7}) {
    for (const std::int64_t channels : {1, 13, 32, 33}) {
      SCOPED_TRACE(StrCat("kernel ", kernel, ", ", channels, " channels"));
      body(kernel, channels);
    }
  }
}

// Where element i of a (rows, columns) matrix is in its transpose.
std::int64_t Transposed(std::int64_t i, std::int64_t rows, std::int64_t columns) {
  return i % columns * rows + i / columns;
}

TEST_F(VendorStepsTest, CudnnWeightsAreOursTransposed) {
  struct Types {
    DType from;
    DType to;
  };
  InAllOrders([&] {
    for (const Types types : {Types{DType::kF32, DType::kF32},
                              {DType::kBf16, DType::kBf16},
                              {DType::kBf16, DType::kF32}}) {
      ForEachWeights([&](std::int64_t kernel, std::int64_t channels) {
        const std::int64_t taps = kernel * kernel;
        const Framed ours = Numbers(1, {kernel, kernel, channels}, types.from);
        const Framed theirs(context_, {channels, kernel, kernel}, types.to, 0);
        ToCudnnWeights(context_, ours.view(), theirs.view());
        theirs.Expect([&](std::int64_t i) { return Number(1, Transposed(i, channels, taps)); });
      });
    }
  });
}

TEST_F(VendorStepsTest, GradientsComeBackInOurOrder) {
  InAllOrders([&] {
    for (const bool accumulate : {false, true}) {
      ForEachWeights([&](std::int64_t kernel, std::int64_t channels) {
        const std::int64_t taps = kernel * kernel;
        const Framed theirs = Numbers(1, {channels, kernel, kernel});
        const Framed ours = Numbers(2, {kernel, kernel, channels});
        FromCudnnWeights(context_, theirs.view(), accumulate, ours.view());
        ours.Expect([&](std::int64_t i) {
          return Number(1, Transposed(i, taps, channels)) + (accumulate ? Number(2, i) : 0);
        });
      });
    }
  });
}

TEST_F(VendorStepsTest, RefusesWhatDoesNotFit) {
  const auto expect = [](const std::string& message, const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "not refused: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_EQ(error.what(), message);
    }
  };
  const Framed matrix = Numbers(1, {3, 8});
  const Framed vector = Numbers(2, {7});
  const Framed weights = Numbers(3, {3, 3, 2});
  expect("vendor steps: from 3x8 to 7", [&] {
    AddBiasAndActivate(context_, matrix.view(), {}, Activation::kNone, vector.view());
  });
  expect("vendor steps: bias is 7, expected 8 elements", [&] {
    AddBiasAndActivate(context_, matrix.view(), vector.view(), Activation::kNone, matrix.view());
  });
  expect("vendor steps: from 3x8 to 7", [&] { AddTo(context_, matrix.view(), vector.view()); });
  expect("vendor steps: 8 columns are summed to 7",
         [&] { SumColumns(context_, matrix.view(), false, vector.view()); });
  expect("depthwise weights: 3x3x2 in cuDNN's order are 7",
         [&] { ToCudnnWeights(context_, weights.view(), vector.view()); });
  expect("depthwise weights: 3x3x2 in cuDNN's order are 7",
         [&] { FromCudnnWeights(context_, vector.view(), false, weights.view()); });
}

}  // namespace
}  // namespace nasengine::cuda
