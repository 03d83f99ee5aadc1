// Numbers from one word of a random stream, as all augmentation draws them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace nasengine {

// In [0, bound), by multiply-shift.
inline std::int64_t EvenlyBelow(std::uint32_t word, std::int64_t bound) {
  return static_cast<std::int64_t>(std::uint64_t{word} * static_cast<std::uint64_t>(bound) >> 32);
}

// In [low, high).
inline double EvenlyBetween(std::uint32_t word, double low, double high) {
  return low + (high - low) * 0x1p-32 * word;
}

}  // namespace nasengine
