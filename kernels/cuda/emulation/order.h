// The order of things that a device runs in none: of threads within a block, and of blocks.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string_view>
#include <vector>

#include "kernels/core/error.h"

namespace nasengine::cuda::emulation {

class Order {
 public:
  // What NASENGINE_EMULATED_ORDER says: forward (as without it), reverse, or random:SEED. Throws
  // kInvalidArgument for anything else.
  static Order FromEnvironment() {
    const char* text = std::getenv("NASENGINE_EMULATED_ORDER");
    const std::string_view name = text == nullptr ? "forward" : text;
    constexpr std::string_view kRandom = "random:";
    Order order;
    if (name == "reverse") {
      order.reverse_ = true;
    } else if (name.starts_with(kRandom)) {
      std::uint32_t seed = 0;
      const char* end = name.data() + name.size();
      const auto [at, error] = std::from_chars(name.data() + kRandom.size(), end, seed);
      NAS_CHECK(error == std::errc() && at == end, "NASENGINE_EMULATED_ORDER=", name,
                ": the seed is no number");
      order.random_ = true;
      order.generator_.seed(seed);
    } else {
      NAS_CHECK(name == "forward", "NASENGINE_EMULATED_ORDER=", name,
                ": is not forward, reverse or random:SEED");
    }
    return order;
  }

  // 0 .. count - 1 in this order; anew for every call where it is random.
  void Fill(std::vector<std::uint32_t>& numbers, std::size_t count) {
    numbers.resize(count);
    std::iota(numbers.begin(), numbers.end(), 0u);
    if (reverse_) std::reverse(numbers.begin(), numbers.end());
    if (random_) std::shuffle(numbers.begin(), numbers.end(), generator_);
  }
  bool random() const { return random_; }

 private:
  bool reverse_ = false;
  bool random_ = false;
  std::mt19937 generator_;
};

}  // namespace nasengine::cuda::emulation
