// The factors of a row product: f32, or pairs of bf16 where the processor multiplies those twice as
// fast. Compiled once per instruction set.
//
// A product sums over pairs of neighbours: of columns where rows of a panel are multiplied with a
// matrix, of rows where two panels give a matrix. So a panel of bf16 has a layout for each, while
// one of f32 serves both.
// SPDX-License-Identifier: MIT
#if defined(NASENGINE_KERNELS_CONV_ROW_FACTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_KERNELS_CONV_ROW_FACTORS_INL_H_
#undef NASENGINE_KERNELS_CONV_ROW_FACTORS_INL_H_
#else
#define NASENGINE_KERNELS_CONV_ROW_FACTORS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/core/amx.h"
#include "kernels/core/bfloat16.h"
#include "kernels/core/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine {
namespace HWY_NAMESPACE {

using ProductTag = hn::ScalableTag<float>;
using ProductVector = hn::Vec<ProductTag>;
HWY_INLINE std::int64_t ProductLanes() {
  return static_cast<std::int64_t>(hn::Lanes(ProductTag()));
}

// Two neighbours of a sum, the first in the lower half.
struct Bf16Pair {
  std::uint32_t bits;
};

// Neighbours that one factor holds, and how one of them is stored.
template <class Factor>
inline constexpr std::int64_t kNeighbours = std::is_same_v<Factor, Bf16Pair> ? 2 : 1;
template <class Factor>
using StoredFactor = std::conditional_t<std::is_same_v<Factor, Bf16Pair>, BFloat16, float>;
template <class Factor>
HWY_INLINE std::int64_t Factors(std::int64_t terms) {
  return (terms + kNeighbours<Factor> - 1) / kNeighbours<Factor>;
}

// Whether pairs of bf16 are multiplied faster than f32: AVX512-BF16's product has twice the rate of
// f32's on AMD's Zen 4 and 5, and half of it on Intel's processors with AMX.
inline bool MultipliesPairsFast() {
#if HWY_TARGET == HWY_AVX3
  return __builtin_cpu_supports("avx512bf16") != 0 && !HasAmxBf16();
#else
  return false;
#endif
}

// Calls body(T{}, Factor{}): how tensors of type `dtype` are stored, and the factors of their
// products.
template <class Body>
HWY_INLINE void WithFactors(DType dtype, const Body& body) {
  if (dtype == DType::kF32) return body(float{}, float{});
#if HWY_TARGET == HWY_AVX3
  if (MultipliesPairsFast()) return body(BFloat16{}, Bf16Pair{});
#endif
  body(BFloat16{}, float{});
}

HWY_INLINE ProductVector LoadFactors(const float* from) { return hn::LoadU(ProductTag(), from); }
HWY_INLINE ProductVector SetFactors(float value) { return hn::Set(ProductTag(), value); }
HWY_INLINE ProductVector MultiplyAdd(const float* /*type*/, ProductVector a, ProductVector b,
                                     ProductVector sums) {
  return hn::MulAdd(a, b, sums);
}

// Pairs travel as vectors of f32 that nothing computes with.
HWY_INLINE ProductVector LoadFactors(const Bf16Pair* from) {
  return hn::LoadU(ProductTag(), reinterpret_cast<const float*>(from));
}
HWY_INLINE ProductVector SetFactors(Bf16Pair value) {
  const hn::RebindToUnsigned<ProductTag> bits;
  return hn::BitCast(ProductTag(), hn::Set(bits, value.bits));
}
#if HWY_TARGET == HWY_AVX3
// By its name: the rest of this file is compiled for processors that lack it.
HWY_INLINE ProductVector MultiplyAdd(const Bf16Pair* /*type*/, ProductVector a, ProductVector b,
                                     ProductVector sums) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sums.raw) : "v"(a.raw), "v"(b.raw));
  return sums;
}
#endif

// Rows [row, row + kRows) of one vector of channels, for a product over the columns. `to` is their
// panel, `step` of its stored factors a row.
template <class L, class V, int kRows, class Stored>
HWY_INLINE void PutForColumns(const L& lanes, const V (&values)[kRows], std::int64_t row,
                              std::int64_t channel, std::int64_t step, Stored* to) {
  to += row * step + channel;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r, to += step) lanes.Store(values[r], to);
}

// The same for a product over the rows; `row` is even, and so is kRows but for the last row. A row
// of pairs holds two.
template <class L, class V, int kRows>
HWY_INLINE void PutForRows(const L& lanes, const V (&values)[kRows], std::int64_t row,
                           std::int64_t channel, std::int64_t step, float* to) {
  PutForColumns(lanes, values, row, channel, step, to);
}
template <class L, class V, int kRows>
HWY_INLINE void PutForRows(const L& lanes, const V (&values)[kRows], std::int64_t row,
                           std::int64_t channel, std::int64_t step, Bf16Pair* to) {
  to += row / 2 * step + channel;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; r += 2, to += step) {
    const V pairs =
        PairLanes(ProductTag(), values[r], r + 1 < kRows ? values[(r + 1) % kRows] : lanes.Zero());
    lanes.Store(pairs, reinterpret_cast<float*>(to));
  }
}

// An odd last column has no neighbour: what lies there must not be a NaN.
HWY_INLINE void ClearNeighbour(float* /*panel*/, std::int64_t /*rows*/, std::int64_t /*columns*/,
                               std::int64_t /*step*/) {}
HWY_INLINE void ClearNeighbour(BFloat16* panel, std::int64_t rows, std::int64_t columns,
                               std::int64_t step) {
  if (columns % 2 == 0) return;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::memset(panel + row * step + columns, 0, sizeof(BFloat16));
  }
}

// The element at `w`, or its pair with the one at w[step], zero when it is the last.
HWY_INLINE float FactorOf(const float* w, std::int64_t /*step*/, bool /*last*/, float /*type*/) {
  return *w;
}
HWY_INLINE float FactorOf(const BFloat16* w, std::int64_t /*step*/, bool /*last*/, float /*type*/) {
  return Widen(*w);
}
HWY_INLINE Bf16Pair FactorOf(const BFloat16* w, std::int64_t step, bool last, Bf16Pair /*type*/) {
  const std::uint32_t second = last ? 0u : w[step].bits;
  return {second << 16 | w->bits};
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nasengine
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
