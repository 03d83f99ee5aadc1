// Elementwise operators: gradients against finite differences, every implementation against the
// reference, and the properties that their contracts promise.
// SPDX-License-Identifier: MIT
#include "kernels/elementwise/elementwise.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

KernelRegistry Kernels() {
  KernelRegistry registry;
  RegisterElementwiseReference(registry);
  RegisterElementwiseHighway(registry);
  return registry;
}

// One element, odd, empty, and large enough for several threads with a ragged end.
const Shape kShapes[] = {{1}, {1, 3, 5, 7}, {0, 4}, {3, 70001}};

class ElementwiseTest : public KernelFixture {
 protected:
  ElementwiseTest() : KernelFixture(Kernels()) {}

  const KernelRegistry& kernels() { return context().registry(); }
};

TEST_F(ElementwiseTest, AddAgreesWithTheReference) {
  for (const DType dtype : kStorageTypes) {
    for (const Shape& shape : kShapes) {
      ExpectImplementationsAgree<Add>(
          {RandomTensor(shape, 1, dtype), RandomTensor(shape, 2, dtype), Filled(shape, 0, dtype)});
    }
  }
}

TEST_F(ElementwiseTest, AxpyAgreesWithTheReference) {
  for (const DType dtype : kStorageTypes) {
    for (const Shape& shape : kShapes) {
      ExpectImplementationsAgree<Axpy>(
          {-0.37f, RandomTensor(shape, 1, dtype), RandomTensor(shape, 2, dtype)});
    }
  }
}

TEST_F(ElementwiseTest, ScaleAgreesWithTheReference) {
  for (const DType dtype : kStorageTypes) {
    for (const Shape& shape : kShapes) {
      ExpectImplementationsAgree<Scale>(
          {-0.37f, RandomTensor(shape, 1, dtype), Filled(shape, 9, dtype)});
    }
  }
}

TEST_F(ElementwiseTest, InnerProductAgreesWithTheReference) {
  for (const DType dtype : kStorageTypes) {
    for (const Shape& shape : kShapes) {
      ExpectImplementationsAgree<InnerProduct>(
          {RandomTensor(shape, 1, dtype), RandomTensor(shape, 2, dtype), Filled({1}, 9)});
    }
  }
}

TEST_F(ElementwiseTest, DropoutAgreesWithTheReference) {
  const Rng rng(42, RngPurpose::kDropout);
  for (const DType dtype : kStorageTypes) {
    for (const Shape& shape : kShapes) {
      for (float rate : {0.0f, 0.2f, 0.9f}) {
        ExpectImplementationsAgree<Dropout>(
            {RandomTensor(shape, 1, dtype), rate, rng, 0x123456789abcULL, Filled(shape, 9, dtype)});
      }
    }
  }
}

TEST_F(ElementwiseTest, CastAgreesWithTheReference) {
  for (const Shape& shape : kShapes) {
    const Tensor wide = RandomTensor(shape, 1);
    const Tensor narrow = context().Empty(shape, DType::kBf16, MemoryCategory::kActivations);
    ExpectImplementationsAgree<Cast>({wide, narrow});
    RunReference<Cast>({wide, narrow});
    ExpectImplementationsAgree<Cast>({narrow, Filled(shape, 9)});
  }
}

TEST_F(ElementwiseTest, GradientsMatchFiniteDifferences) {
  const Shape shape = {11};
  const Tensor x = RandomTensor(shape, 1, DType::kF64);
  const Tensor y = Filled(shape, 0, DType::kF64);
  const Tensor dy = RandomTensor(shape, 2, DType::kF64);
  const Tensor dx = Filled(shape, 0, DType::kF64);
  const auto scaled = [&] {
    RunReference<Scale>({1.7f, x, y});
    return Dot(y, dy);
  };
  RunReference<Scale>({1.7f, dy, dx});
  ExpectGradient(x, dx, scaled);

  const auto dropped = [&] {
    RunReference<Dropout>({x, 0.4f, Rng(3, RngPurpose::kDropout), 5, y});
    return Dot(y, dy);
  };
  RunReference<Dropout>({dy, 0.4f, Rng(3, RngPurpose::kDropout), 5, dx});
  ExpectGradient(x, dx, dropped);

  // d <a, b> / da = b.
  const Tensor result = Filled({1}, 0, DType::kF64);
  ExpectGradient(x, dy, [&] {
    RunReference<InnerProduct>({x, dy, result});
    return Get(result, 0);
  });
  // Both inputs of a sum get its gradient, and y += alpha x passes alpha to x.
  ExpectGradient(x, dy, [&] {
    RunReference<Add>({dx, x, y});
    return Dot(y, dy);
  });
  ExpectGradient(x, dy, [&] {
    RunReference<Scale>({0.0f, y, y});
    RunReference<Axpy>({1.0f, x, y});
    return Dot(y, dy);
  });
}

TEST_F(ElementwiseTest, WorksInPlace) {
  const Shape shape = {40003};
  const Tensor a = RandomTensor(shape, 1);
  const Tensor b = RandomTensor(shape, 2);
  const Tensor y = Filled(shape, 0);
  Dispatch<Add>(context(), {a, b, y});
  Dispatch<Add>(context(), {a, b, b});
  for (std::int64_t i = 0; i < 40003; ++i) ASSERT_EQ(Get(b, i), Get(y, i)) << i;
  const Rng rng(1, RngPurpose::kDropout);
  Dispatch<Dropout>(context(), {a, 0.5f, rng, 7, y});
  Dispatch<Dropout>(context(), {a, 0.5f, rng, 7, a});
  for (std::int64_t i = 0; i < 40003; ++i) ASSERT_EQ(Get(a, i), Get(y, i)) << i;
}

TEST_F(ElementwiseTest, ScaleByZeroGivesZerosWhateverTheInput) {
  for (double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -3.0}) {
    for (const auto& entry : kernels().Entries<Scale>()) {
      const Tensor y = Filled({19}, 9);
      entry.run(context(), {0.0f, Filled({19}, value), y});
      for (std::int64_t i = 0; i < 19; ++i) {
        EXPECT_EQ(std::bit_cast<std::uint32_t>(y.As<float>()[i]), 0u) << entry.name;
      }
    }
  }
}

TEST_F(ElementwiseTest, InnerProductSumsInDoubleAndRepeatsItself) {
  // 2^24 ones and a one that an f32 sum would lose.
  const Shape shape = {(1 << 24) + 2};
  const Tensor ones = context().Empty(shape, DType::kF32, MemoryCategory::kActivations);
  std::fill_n(ones.As<float>(), shape.elements(), 1.0f);
  const Tensor result = Filled({1}, 0);
  Dispatch<InnerProduct>(context(), {ones, ones, result});
  EXPECT_EQ(Get(result, 0), (1 << 24) + 2);

  const Tensor a = RandomTensor({100003}, 1);
  const Tensor b = RandomTensor({100003}, 2);
  Dispatch<InnerProduct>(context(), {a, b, result});
  const double first = Get(result, 0);
  for (int i = 0; i < 20; ++i) {
    Dispatch<InnerProduct>(context(), {a, b, result});
    ASSERT_EQ(Get(result, 0), first);
  }
}

TEST_F(ElementwiseTest, DropoutMasksAreTheStreamsInEveryImplementation) {
  const Rng rng(2024, RngPurpose::kDropout);
  const std::uint64_t step = (5ULL << 32) + 17;
  const Shape shape = {65537};
  for (const auto& entry : kernels().Entries<Dropout>()) {
    const Tensor y = Filled(shape, 9);
    entry.run(context(), {Filled(shape, 1), 0.3f, rng, step, y});
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < 65537; ++i) {
      const bool keep = rng.Uniform(step, static_cast<std::uint64_t>(i)) >= 0.3f;
      ASSERT_EQ(y.As<float>()[i], keep ? static_cast<float>(1 / (1 - double{0.3f})) : 0.0f)
          << entry.name << " element " << i;
      kept += keep;
    }
    // Five standard deviations of a binomial.
    EXPECT_NEAR(static_cast<double>(kept), 65537 * 0.7, 5 * std::sqrt(65537 * 0.3 * 0.7));
  }
}

// Every bit of a number counts: at a rate of exactly it the element is kept, just above dropped.
TEST_F(ElementwiseTest, DropoutComparesWithTheStreamsVeryNumbers) {
  const Rng rng(0xdeadbeef, RngPurpose::kDropout);
  const Shape shape = {37};
  const Tensor x = Filled(shape, 1);
  const Tensor y = Filled(shape, 9);
  for (const std::uint64_t step : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    for (std::int64_t i = 0; i < 37; ++i) {
      const float uniform = rng.Uniform(step, static_cast<std::uint64_t>(i));
      ASSERT_LT(uniform, 1 - 0x1p-23f);
      Dispatch<Dropout>(context(), {x, uniform, rng, step, y});
      EXPECT_NE(Get(y, i), 0) << i;
      Dispatch<Dropout>(context(), {x, uniform + 0x1p-24f, rng, step, y});
      EXPECT_EQ(Get(y, i), 0) << i;
    }
  }
}

// Parts of larger tensors begin anywhere: no vector may be taken for granted.
TEST_F(ElementwiseTest, PartsOfTensorsAgreeWithTheReference) {
  const Rng rng(42, RngPurpose::kDropout);
  for (const DType dtype : kStorageTypes) {
    for (const std::int64_t size : {1, 7, 1031}) {
      const auto part = [&](std::uint64_t stream, std::int64_t offset, DType type) {
        return RandomTensor({size + offset}, stream, type).Slice(offset, {size});
      };
      const Tensor a = part(1, 1, dtype), b = part(2, 2, dtype), y = part(3, 3, dtype);
      const DType other = dtype == DType::kF32 ? DType::kBf16 : DType::kF32;
      ExpectImplementationsAgree<Add>({a, b, y});
      ExpectImplementationsAgree<Axpy>({-0.37f, a, b});
      ExpectImplementationsAgree<Scale>({-0.37f, a, y});
      ExpectImplementationsAgree<InnerProduct>({a, b, Filled({1}, 9)});
      ExpectImplementationsAgree<Cast>({a, part(4, 1, other)});
      ExpectImplementationsAgree<Dropout>({a, 0.5f, rng, 3, y});
      // Outputs of the comparison are tensors of their own: once more into parts.
      const Tensor whole = Filled({size}, 0, dtype);
      Dispatch<Add>(context(), {a, b, whole});
      Dispatch<Add>(context(), {a, b, y});
      for (std::int64_t i = 0; i < size; ++i) ASSERT_EQ(Get(y, i), Get(whole, i)) << i;
      // The elements around a part are another's, wherever it begins.
      for (const std::int64_t offset : {1, 32}) {
        const Tensor larger = Filled({offset + size + 1}, 9, dtype);
        Dispatch<Scale>(context(),
                        {1, RandomTensor({size}, 1, dtype), larger.Slice(offset, {size})});
        EXPECT_EQ(Get(larger, offset - 1), 9);
        EXPECT_EQ(Get(larger, offset + size), 9);
      }
    }
  }
}

struct Rounding {
  std::uint32_t wide;
  std::uint16_t narrow;
};

TEST_F(ElementwiseTest, CastRoundsToNearestEven) {
  constexpr Rounding kCases[] = {
      {0x3f800000, 0x3f80},  // 1
      {0x3f807fff, 0x3f80},  // just below a tie
      {0x3f808000, 0x3f80},  // tie, even below
      {0x3f808001, 0x3f81},  // just above a tie
      {0x3f818000, 0x3f82},  // tie, even above
      {0xbf818000, 0xbf82},  // its negative
      {0x80000000, 0x8000},  // -0
      {0x7f7fffff, 0x7f80},  // largest f32 rounds to infinity
      {0x7f800000, 0x7f80},  // infinity
      {0xff800000, 0xff80},  // -infinity
      {0x7fc00000, 0x7fc0},  // NaN
      {0x7f800001, 0x7fc0},  // NaN whose payload is cut off
      {0xffffffff, 0xffff},  // NaN that would wrap around if rounded
      {0x00000001, 0x0000},  // smallest subnormal
      {0x00018000, 0x0002},  // subnormal tie
  };
  // Seven copies of the cases, so that full vectors meet them too.
  constexpr std::int64_t kCount = 7 * std::size(kCases);
  const Tensor x = Filled({kCount}, 0);
  const Tensor y = context().Empty({kCount}, DType::kBf16, MemoryCategory::kActivations);
  for (std::int64_t i = 0; i < kCount; ++i) {
    x.As<float>()[i] =
        std::bit_cast<float>(kCases[static_cast<std::size_t>(i) % std::size(kCases)].wide);
  }
  for (const auto& entry : kernels().Entries<Cast>()) {
    entry.run(context(), {x, y});
    for (std::int64_t i = 0; i < kCount; ++i) {
      const Rounding& expected = kCases[static_cast<std::size_t>(i) % std::size(kCases)];
      // What else a NaN says is the processor's.
      if (entry.device != DeviceType::kCpu && std::isnan(Widen({expected.narrow}))) {
        EXPECT_TRUE(std::isnan(Widen(y.As<BFloat16>()[i]))) << std::hex << expected.wide;
        continue;
      }
      EXPECT_EQ(y.As<BFloat16>()[i].bits, expected.narrow)
          << entry.name << std::hex << " of 0x" << expected.wide;
    }
    const Tensor back = Filled({kCount}, 9);
    entry.run(context(), {y, back});
    for (std::int64_t i = 0; i < kCount; ++i) {
      const auto bits = std::bit_cast<std::uint32_t>(back.As<float>()[i]);
      EXPECT_EQ(bits, std::uint32_t{y.As<BFloat16>()[i].bits} << 16) << entry.name;
    }
  }
}

TEST_F(ElementwiseTest, RefusesWrongArguments) {
  const Tensor x = Filled({2, 3}, 0);
  const Tensor other = Filled({3, 2}, 0);
  const Tensor wide = Filled({2, 3}, 0, DType::kF64);
  const Tensor narrow = Filled({2, 3}, 0, DType::kBf16);
  const Rng rng(1, RngPurpose::kDropout);
  EXPECT_THROW(Dispatch<Add>(context(), {x, other, x}), Error);
  EXPECT_THROW(Dispatch<Add>(context(), {x, x, wide}), Error);
  EXPECT_THROW(Dispatch<Add>(context(), {narrow, narrow, x}), Error);
  EXPECT_THROW(Dispatch<InnerProduct>(context(), {narrow, narrow, Filled({1}, 0, DType::kBf16)}),
               Error);
  EXPECT_THROW(Dispatch<Axpy>(context(), {1, x, other}), Error);
  EXPECT_THROW(Dispatch<Scale>(context(), {1, x, View{nullptr, {2, 3}}}), Error);
  EXPECT_THROW(Dispatch<InnerProduct>(context(), {x, x, other}), Error);
  EXPECT_THROW(Dispatch<Cast>(context(), {x, other}), Error);
  EXPECT_THROW(Dispatch<Dropout>(context(), {x, 1.0f, rng, 0, x}), Error);
  EXPECT_THROW(Dispatch<Dropout>(context(), {x, -0.1f, rng, 0, x}), Error);
}

}  // namespace
}  // namespace nasengine
