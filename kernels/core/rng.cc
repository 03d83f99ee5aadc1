// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) and what is
// drawn from its words.
// SPDX-License-Identifier: MIT
#include "kernels/core/rng.h"

#include <Random123/philox.h>

#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine {

std::array<std::uint32_t, 4> Rng::Bits(std::uint64_t step, std::uint64_t element) const {
  const philox4x32_ctr_t counter = {
      {static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32),
       static_cast<std::uint32_t>(element), static_cast<std::uint32_t>(element >> 32)}};
  const philox4x32_key_t key = {{seed_, static_cast<std::uint32_t>(purpose_)}};
  const philox4x32_ctr_t words = philox4x32_R(10, counter, key);
  return {words.v[0], words.v[1], words.v[2], words.v[3]};
}

float Rng::Uniform(std::uint64_t step, std::uint64_t element) const {
  return static_cast<float>(Bits(step, element)[0] >> 8) * 0x1p-24F;
}

double Rng::Normal(std::uint64_t step, std::uint64_t element) const {
  const auto words = Bits(step, element);
  // In (0, 1], so that the logarithm is finite.
  const double radius_uniform = (static_cast<double>(words[0]) + 1.0) * 0x1p-32;
  const double angle = 2.0 * std::numbers::pi * static_cast<double>(words[1]) * 0x1p-32;
  return std::sqrt(-2.0 * std::log(radius_uniform)) * std::cos(angle);
}

std::uint32_t Rng::Below(std::uint32_t bound, std::uint64_t step, std::uint64_t element) const {
  NAS_CHECK(bound >= 1, "rng: bound is 0, expected 1 or more");
  return static_cast<std::uint32_t>((std::uint64_t{Bits(step, element)[0]} * bound) >> 32);
}

std::vector<std::int32_t> Rng::Permutation(std::int32_t n, std::uint64_t step) const {
  NAS_CHECK(n >= 0, "rng: permutation of ", n, " elements");
  std::vector<std::int32_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[Below(static_cast<std::uint32_t>(i), step, i - 1)]);
  }
  return order;
}

int Rng::Categorical(const std::vector<double>& probabilities, std::uint64_t step,
                     std::uint64_t element) const {
  const double uniform = Uniform(step, element);
  double cumulative = 0;
  int last_possible = -1;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    if (!(probabilities[i] > 0)) continue;
    cumulative += probabilities[i];
    last_possible = static_cast<int>(i);
    if (uniform < cumulative) return last_possible;
  }
  NAS_CHECK(last_possible >= 0, "rng: none of ", probabilities.size(),
            " probabilities is positive");
  // The sum may end a rounding error below 1.
  return last_possible;
}

}  // namespace nasengine
