// bf16 in the vector layer, bit by bit on every instruction set: all that can be loaded, and stores
// against the scalar rule.
// SPDX-License-Identifier: MIT
#include "tests/support/instruction_sets.h"
//
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/kernels/core/lanes_test.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/core/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

void WidenTarget(const BFloat16* from, std::int64_t count, float* to) {
  VisitChannels(0, count, [=](const auto& lanes, std::int64_t i) HWY_ATTR {
    lanes.Store(lanes.Load(from + i), to + i);
  });
}

void NarrowTarget(const float* from, std::int64_t count, BFloat16* to) {
  VisitChannels(0, count, [=](const auto& lanes, std::int64_t i) HWY_ATTR {
    lanes.Store(lanes.Load(from + i), to + i);
  });
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <bit>
#include <cmath>
#include <vector>

#include "kernels/core/bfloat16.h"
#include "kernels/core/rng.h"

namespace nasengine {
HWY_EXPORT(WidenTarget);
HWY_EXPORT(NarrowTarget);

namespace {

constexpr std::int64_t kAllBFloat16 = 1 << 16;

std::vector<BFloat16> AllBFloat16() {
  std::vector<BFloat16> all;
  for (std::int64_t bits = 0; bits < kAllBFloat16; ++bits) {
    all.push_back({static_cast<std::uint16_t>(bits)});
  }
  return all;
}

// Every bf16, what is just above it, the tie with its neighbour and both sides of the tie, and
// random bits; infinities, NaNs and subnormals are among them.
std::vector<float> FloatsAroundBFloat16() {
  std::vector<float> floats;
  const Rng rng(1, RngPurpose::kTest);
  for (std::uint32_t upper = 0; upper < kAllBFloat16; ++upper) {
    const auto random = static_cast<std::uint32_t>(rng.Uniform(0, upper) * 0x1p16);
    for (const std::uint32_t lower : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, random}) {
      floats.push_back(std::bit_cast<float>((upper << 16) | lower));
    }
  }
  return floats;
}

TEST(LanesTest, EveryBFloat16WidensToTheSameNumber) {
  const std::vector<BFloat16> stored = AllBFloat16();
  ForEachInstructionSet([&] {
    std::vector<float> widened(stored.size());
    HWY_DYNAMIC_DISPATCH(WidenTarget)(stored.data(), kAllBFloat16, widened.data());
    for (std::size_t i = 0; i < stored.size(); ++i) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(widened[i]), i << 16);
    }
  });
}

TEST(LanesTest, StoresRoundLikeTheScalarRule) {
  const std::vector<float> floats = FloatsAroundBFloat16();
  ForEachInstructionSet([&] {
    std::vector<BFloat16> stored(floats.size());
    HWY_DYNAMIC_DISPATCH(NarrowTarget)
    (floats.data(), static_cast<std::int64_t>(floats.size()), stored.data());
    for (std::size_t i = 0; i < floats.size(); ++i) {
      ASSERT_EQ(stored[i].bits, Narrow(floats[i]).bits)
          << std::hex << "of 0x" << std::bit_cast<std::uint32_t>(floats[i]);
    }
  });
}

// The scalar rule itself, so that it cannot be wrong together with the vectors.
TEST(LanesTest, ScalarRuleRoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(Narrow(1.0f).bits, 0x3f80);
  EXPECT_EQ(Narrow(std::bit_cast<float>(0x3f808000u)).bits, 0x3f80);  // tie, even below
  EXPECT_EQ(Narrow(std::bit_cast<float>(0x3f808001u)).bits, 0x3f81);
  EXPECT_EQ(Narrow(std::bit_cast<float>(0xbf818000u)).bits, 0xbf82);  // tie, even above
  EXPECT_EQ(Narrow(std::bit_cast<float>(0x7f7fffffu)).bits, 0x7f80);  // rounds to infinity
  EXPECT_EQ(Narrow(std::bit_cast<float>(0x00018000u)).bits, 0x0002);  // subnormal tie
  EXPECT_TRUE(std::isnan(Widen(Narrow(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(Widen(Narrow(std::bit_cast<float>(0xffffffffu)))));
}

TEST(LanesTest, PartialVectorsTouchNothingBeyondTheirLanes) {
  ForEachInstructionSet([&] {
    for (std::int64_t count = 0; count <= 40; ++count) {
      // The loads end where the vectors' memory ends, for sanitizers to see.
      const std::vector<float> wide(static_cast<std::size_t>(count), 1.5f);
      std::vector<BFloat16> narrow(static_cast<std::size_t>(count));
      HWY_DYNAMIC_DISPATCH(NarrowTarget)(wide.data(), count, narrow.data());
      narrow.push_back({0x1234});
      HWY_DYNAMIC_DISPATCH(NarrowTarget)(wide.data(), count, narrow.data());
      EXPECT_EQ(narrow.back().bits, 0x1234) << count;
      std::vector<float> widened(static_cast<std::size_t>(count) + 1, 7.0f);
      HWY_DYNAMIC_DISPATCH(WidenTarget)(narrow.data(), count, widened.data());
      EXPECT_EQ(widened.back(), 7.0f) << count;
    }
  });
}

}  // namespace
}  // namespace nasengine
#endif
