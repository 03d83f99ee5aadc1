// The arithmetic of bf16 storage: how it widens, and the one rule by which everything that writes
// it rounds.
// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/core/tensor.h"

namespace nasengine {

inline float Widen(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

// To the nearest, ties to even. A NaN stays one (made quiet), whatever of its payload is cut off.
inline BFloat16 Narrow(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return {static_cast<std::uint16_t>((bits >> 16) | 0x40)};
  const std::uint32_t half = bits & 0x10000 ? 0x8000 : 0x7fff;
  return {static_cast<std::uint16_t>((bits + half) >> 16)};
}

// The type beside tensors of type `storage` of what must not lose precision: sums, statistics,
// biases, gradients of weights.
constexpr DType SumType(DType storage) {
  return storage == DType::kF64 ? DType::kF64 : DType::kF32;
}
template <class T>
using SumOf = std::conditional_t<std::is_same_v<T, double>, double, float>;

// What is stored as f32, f64 or bf16, as references compute with it, and back.
template <class T>
double ToDouble(T stored) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return Widen(stored);
  } else {
    return stored;
  }
}
template <class T>
T Rounded(double value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return Narrow(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

// Calls body(float{}), body(double{}) or body(BFloat16{}).
template <class Body>
void VisitStorage(DType dtype, const Body& body) {
  if (dtype == DType::kF64) {
    body(double{});
  } else if (dtype == DType::kBf16) {
    body(BFloat16{});
  } else {
    body(float{});
  }
}

}  // namespace nasengine
