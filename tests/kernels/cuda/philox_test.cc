// Philox as kernels have it beside the host's, word by word. On a card, dropout's tests
// (tests/kernels/elementwise) compare what it computes.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/philox.cuh"

#include <gtest/gtest.h>

#include <array>

namespace nasengine {
namespace {

void ExpectSameNumbers(const Rng& rng, std::uint64_t step, std::uint64_t element) {
  const cuda::RngStream stream(rng, step);
  std::uint32_t words[4];
  cuda::RandomBits(stream, element, words);
  const std::array<std::uint32_t, 4> expected = rng.Bits(step, element);
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_EQ(words[i], expected[i]) << "word " << i << " at (" << step << ", " << element << ")";
  }
  ASSERT_EQ(cuda::RandomUniform(stream, element), rng.Uniform(step, element));
}

TEST(PhiloxCudaTest, NumbersAreThoseOfTheHost) {
  constexpr std::uint64_t kCounters[] = {
      0, 1, 2, 255, 0x7fffffff, 0xffffffff, 1ULL << 32, (7ULL << 32) + 3, ~std::uint64_t{0}};
  for (const std::uint32_t seed : {0u, 1u, 0x9e3779b9u, 0xffffffffu}) {
    for (const RngPurpose purpose : {RngPurpose::kWeights, RngPurpose::kDropout}) {
      const Rng rng(seed, purpose);
      for (const std::uint64_t step : kCounters) {
        for (const std::uint64_t element : kCounters) ExpectSameNumbers(rng, step, element);
      }
    }
  }
  const Rng rng(2024, RngPurpose::kDropout);
  for (std::uint64_t element = 0; element < 20000; ++element) {
    ExpectSameNumbers(rng, 3 * element, element * 0x100000001ULL);
  }
}

}  // namespace
}  // namespace nasengine
