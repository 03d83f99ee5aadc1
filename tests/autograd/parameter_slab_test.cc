// Where parameters lie in a slab, how they start, and when their gradients exist.
// SPDX-License-Identifier: MIT
#include "autograd/parameter_slab.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "kernels/core/error.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

class ParameterSlabTest : public KernelFixture {
 protected:
  ParameterSlabTest() : KernelFixture(EmulatedMemory::kCounted) {}

  static std::vector<float> Numbers(const Tensor& tensor) {
    return {tensor.As<float>(), tensor.As<float>() + tensor.elements()};
  }
  // The values of a parameter of this name and initializer, in a slab after `others` others.
  std::vector<float> Initial(const std::string& prefix, const std::string& name, std::uint32_t seed,
                             int others, Initializer initializer = Initializer::kNormalFanOut,
                             std::int64_t elements = 100, std::int64_t fan = 8) {
    ParameterSlab slab;
    for (int i = 0; i < others; ++i) {
      slab.Add({.name = "other" + std::to_string(i),
                .shape = {13},
                .initializer = Initializer::kNormalFanOut});
    }
    const int index =
        slab.Add({.name = name, .shape = {elements}, .initializer = initializer, .fan = fan});
    slab.Allocate(context());
    slab.Initialize(Rng(seed, RngPurpose::kWeights), prefix);
    return Numbers(slab.value(index));
  }
};

TEST_F(ParameterSlabTest, AlignsParametersAndPutsDecayingOnesFirst) {
  // Memory that was used before is not zero by itself.
  { const Tensor dirty = Filled({4096}, 7); }
  ParameterSlab slab;
  const int beta = slab.Add({.name = "beta", .shape = {5}, .decay = false});
  const int w = slab.Add({.name = "w", .shape = {3, 7}});
  const int gamma = slab.Add({.name = "gamma", .shape = {16}, .decay = false});
  const int v = slab.Add({.name = "v", .shape = {1}});
  slab.Allocate(context());
  const auto offset = [&](int index) {
    return slab.value(index).As<float>() - slab.values().As<float>();
  };
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slab.values().data()) % 64, 0u);
  EXPECT_EQ(offset(w), 0);
  EXPECT_EQ(offset(v), 32);
  EXPECT_EQ(slab.decaying_elements(), 48);
  EXPECT_EQ(offset(beta), 48);
  EXPECT_EQ(offset(gamma), 64);
  EXPECT_EQ(slab.values().elements(), 80);
  EXPECT_EQ(slab.elements(), 5 + 21 + 16 + 1);
  EXPECT_EQ(slab.value(w).shape(), (Shape{3, 7}));
  for (const float value : Numbers(slab.values())) EXPECT_EQ(value, 0);
}

TEST_F(ParameterSlabTest, RefusesRepeatedNamesAndLateParameters) {
  ParameterSlab slab;
  slab.Add({.name = "w", .shape = {1}});
  EXPECT_THROW(slab.Add({.name = "w", .shape = {2}}), Error);
  EXPECT_THROW(slab.value(0), Error);
  EXPECT_THROW(slab.Initialize(Rng(1, RngPurpose::kWeights), ""), Error);
  slab.Allocate(context());
  EXPECT_THROW(slab.Add({.name = "v", .shape = {2}}), Error);
  EXPECT_THROW(slab.Allocate(context()), Error);
}

TEST_F(ParameterSlabTest, InitialNumbersDependOnSeedAndNameAlone) {
  const std::vector<float> numbers = Initial("block1/", "w", 1, 0);
  EXPECT_EQ(Initial("block1/", "w", 1, 3), numbers);
  EXPECT_EQ(Initial("", "block1/w", 1, 1), numbers);
  EXPECT_NE(Initial("block2/", "w", 1, 0), numbers);
  EXPECT_NE(Initial("block1/", "v", 1, 0), numbers);
  EXPECT_NE(Initial("block1/", "w", 2, 0), numbers);
}

// Bounds of five standard errors of the mean and of the variance.
TEST_F(ParameterSlabTest, InitializersHaveTheirDistributions) {
  constexpr std::int64_t kCount = 20000;
  constexpr std::int64_t kFan = 72;
  const auto moments = [](const std::vector<float>& numbers) {
    double sum = 0;
    double squares = 0;
    for (const float x : numbers) {
      sum += x;
      squares += double{x} * x;
    }
    const double n = static_cast<double>(numbers.size());
    return std::pair(sum / n, squares / n);
  };
  const double n = kCount;
  {
    const double variance = 2.0 / kFan;
    const auto [mean, square] =
        moments(Initial("", "w", 1, 0, Initializer::kNormalFanOut, kCount, kFan));
    EXPECT_NEAR(mean, 0, 5 * std::sqrt(variance / n));
    EXPECT_NEAR(square, variance, 5 * variance * std::sqrt(2 / n));
  }
  {
    const double bound = 1 / std::sqrt(double{kFan});
    const std::vector<float> numbers =
        Initial("", "w", 1, 0, Initializer::kUniformFanIn, kCount, kFan);
    const double variance = bound * bound / 3;
    const auto [mean, square] = moments(numbers);
    EXPECT_NEAR(mean, 0, 5 * std::sqrt(variance / n));
    EXPECT_NEAR(square, variance, 5 * variance * std::sqrt(0.8 / n));
    for (const float x : numbers) ASSERT_LE(std::abs(x), bound * (1 + 1e-6));
  }
  for (const float x : Initial("", "w", 1, 0, Initializer::kOnes)) EXPECT_EQ(x, 1);
  for (const float x : Initial("", "w", 1, 0, Initializer::kZeros)) EXPECT_EQ(x, 0);
}

TEST_F(ParameterSlabTest, GradientsStartAtZeroOverwriteOnceThenAccumulate) {
  { const Tensor dirty = Filled({4096}, 7); }
  ParameterSlab slab;
  const int w = slab.Add({.name = "w", .shape = {3}});
  slab.Add({.name = "v", .shape = {20}});
  slab.Allocate(context());
  EXPECT_FALSE(slab.has_gradients());
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(slab.Gradient(context(), w).accumulate);
    EXPECT_TRUE(slab.has_gradients());
    for (const float x : Numbers(slab.gradients())) EXPECT_EQ(x, 0);
    EXPECT_TRUE(slab.Gradient(context(), w).accumulate);
    slab.Gradient(context(), w).view.As<float>()[0] = 5;
    EXPECT_EQ(slab.gradients().As<float>()[0], 5);
    slab.DropGradients();
    EXPECT_FALSE(slab.has_gradients());
  }
}

TEST_F(ParameterSlabTest, CountsInTheirCategories) {
  const auto active = [&](MemoryCategory category) {
    return allocator().stats().active_by_category[static_cast<std::size_t>(category)];
  };
  const std::int64_t before = allocator().stats().active_bytes;
  {
    ParameterSlab slab;
    slab.Add({.name = "w", .shape = {20}});
    slab.Allocate(context());
    EXPECT_EQ(active(MemoryCategory::kWeights), 128);
    EXPECT_FALSE(slab.has_momentum());
    for (const float x : Numbers(slab.momentum(context()))) EXPECT_EQ(x, 0);
    EXPECT_TRUE(slab.has_momentum());
    EXPECT_EQ(active(MemoryCategory::kOptimizer), 128);
    slab.Gradient(context(), 0);
    EXPECT_EQ(active(MemoryCategory::kGradients), 128);
  }
  EXPECT_EQ(allocator().stats().active_bytes, before);
}

TEST_F(ParameterSlabTest, MayBeEmpty) {
  ParameterSlab slab;
  slab.Allocate(context());
  slab.Initialize(Rng(1, RngPurpose::kWeights), "");
  EXPECT_EQ(slab.elements(), 0);
  EXPECT_EQ(slab.values().elements(), 0);
}

TEST_F(ParameterSlabTest, NumbersByPlaceAreSharedWhereParametersOverlap) {
  const auto initial = [&](const Shape& shape, std::int64_t fan) {
    ParameterSlab slab;
    slab.Add({.name = "w", .shape = shape, .initializer = Initializer::kNormalFanOut, .fan = fan});
    slab.Allocate(context());
    slab.Initialize(Rng(1, RngPurpose::kWeights), "block1/", NumbersBy::kPlace);
    return Numbers(slab.value(0));
  };
  // The small kernel is the centre of the large one, of the first channels.
  const std::vector<float> small = initial({3, 3, 4}, 2);
  const std::vector<float> large = initial({7, 7, 6}, 8);
  for (std::size_t y = 0; y < 3; ++y) {
    for (std::size_t x = 0; x < 3; ++x) {
      for (std::size_t c = 0; c < 4; ++c) {
        EXPECT_FLOAT_EQ(small[(y * 3 + x) * 4 + c], 2 * large[((y + 2) * 7 + x + 2) * 6 + c]);
      }
    }
  }
  EXPECT_EQ(std::set<float>(large.begin(), large.end()).size(), large.size());
  // A matrix keeps its rows and columns when it gets more of them.
  const std::vector<float> narrow = initial({2, 3}, 2);
  const std::vector<float> wide = initial({4, 5}, 2);
  for (std::size_t row = 0; row < 2; ++row) {
    for (std::size_t column = 0; column < 3; ++column) {
      EXPECT_EQ(narrow[row * 3 + column], wide[row * 5 + column]);
    }
  }
}

// The master stays as it is; the copy has its roundings at its places.
TEST_F(ParameterSlabTest, TheWorkingCopyRoundsTheDecayingParameters) {
  ParameterSlab slab;
  const int beta = slab.Add({.name = "beta", .shape = {5}, .decay = false});
  const int w = slab.Add({.name = "w", .shape = {3, 7}, .initializer = Initializer::kNormalFanOut});
  const int v = slab.Add({.name = "v", .shape = {2}, .initializer = Initializer::kUniformFanIn});
  slab.Allocate(context());
  const auto weights = [&] {
    return allocator()
        .stats()
        .active_by_category[static_cast<std::size_t>(MemoryCategory::kWeights)];
  };
  const std::int64_t before = weights();
  slab.AllocateWorkingCopy();
  EXPECT_EQ(slab.working_copy().elements(), slab.decaying_elements());
  EXPECT_EQ(weights() - before, (2 * slab.decaying_elements() + 63) / 64 * 64);
  slab.Initialize(Rng(1, RngPurpose::kWeights), "");
  const auto expect_copy = [&] {
    for (const int index : {w, v}) {
      const Tensor master = slab.value(index), copy = slab.value(index, DType::kBf16);
      EXPECT_EQ(copy.shape(), master.shape());
      EXPECT_EQ(slab.value(index, DType::kF32).data(), master.data());
      for (std::int64_t i = 0; i < master.elements(); ++i) {
        EXPECT_EQ(copy.As<BFloat16>()[i].bits, Narrow(master.As<float>()[i]).bits);
      }
    }
  };
  expect_copy();
  Set(slab.value(w), 4, 0.3);
  EXPECT_NE(Get(slab.value(w, DType::kBf16), 4), Get(slab.value(w), 4));
  slab.RefreshWorkingCopy();
  expect_copy();
  EXPECT_THROW(slab.value(beta, DType::kBf16), Error);
  EXPECT_THROW(slab.AllocateWorkingCopy(), Error);
}

}  // namespace
}  // namespace nasengine
