// Counter-based random streams (Philox4x32-10): a number is a pure function of
// (seed, purpose, step, element), the same on every device and in every order of evaluation.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace nasengine {

// One stream a purpose, so that drawing more of one thing never shifts another. The values are part
// of what a seed means: append, never renumber.
enum class RngPurpose : std::uint32_t {
  kWeights = 1,
  kAlpha = 2,
  kGates = 3,
  kOrder = 4,
  kAugment = 5,
  kSplit = 6,
  kDropout = 7,
  kSynthetic = 8,
  kCalibration = 9,
  kBaselines = 10,
  kTest = 11,
};

// Philox key (seed, purpose), counter (step, element).
class Rng {
 public:
  Rng(std::uint32_t seed, RngPurpose purpose) : seed_(seed), purpose_(purpose) {}

  std::array<std::uint32_t, 4> Bits(std::uint64_t step, std::uint64_t element) const;
  // In [0, 1): the top 24 bits of the first word, exact in f32.
  float Uniform(std::uint64_t step, std::uint64_t element) const;
  // Standard normal by Box-Muller in f64 on the host from two 32-bit words.
  double Normal(std::uint64_t step, std::uint64_t element) const;
  // In [0, bound), bound >= 1, by the multiply-shift method on one word (bias below bound / 2^32).
  std::uint32_t Below(std::uint32_t bound, std::uint64_t step, std::uint64_t element) const;
  // 0..n-1 in an order fixed by `step` (Fisher-Yates).
  std::vector<std::int32_t> Permutation(std::int32_t n, std::uint64_t step) const;
  // Index drawn from the categorical distribution `probabilities` (they sum to 1), by cumulative
  // sum in f64.
  int Categorical(const std::vector<double>& probabilities, std::uint64_t step,
                  std::uint64_t element) const;

  std::uint32_t seed() const { return seed_; }
  RngPurpose purpose() const { return purpose_; }

 private:
  std::uint32_t seed_;
  RngPurpose purpose_;
};

}  // namespace nasengine
