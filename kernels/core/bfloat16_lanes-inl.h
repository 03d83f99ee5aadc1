// Vectors between f32 and bf16 by the rule of bfloat16.h, on every instruction set to the same
// bits. Compiled once per instruction set; kernels use it through lanes-inl.h.
// SPDX-License-Identifier: MIT

// Highway's include guard for code that is compiled once per target.
#if defined(NASENGINE_KERNELS_CORE_BFLOAT16_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NASENGINE_KERNELS_CORE_BFLOAT16_LANES_INL_H_
#undef NASENGINE_KERNELS_CORE_BFLOAT16_LANES_INL_H_
#else
#define NASENGINE_KERNELS_CORE_BFLOAT16_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace nasengine {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The bits of as many bf16 as D, a tag of f32, has lanes.
template <class D>
using BFloat16Bits = hn::Rebind<std::uint16_t, D>;

template <class D>
HWY_INLINE hn::Vec<D> WidenLanes(D d, hn::Vec<BFloat16Bits<D>> bits) {
  const hn::RebindToUnsigned<D> wide;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(wide, bits)));
}

// The bf16 nearest to `value` in the upper half of each lane; the lower halves are undefined. What
// is not a number may overflow.
template <class D>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> RoundNumbers(D /*d*/, hn::Vec<D> value) {
  const hn::RebindToUnsigned<D> wide;
  const auto bits = hn::BitCast(wide, value);
  // Half a unit in the last place, less one where the even neighbour is below.
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(wide, 1u));
  return hn::Add(hn::Add(bits, hn::Set(wide, 0x7fffu)), odd);
}

// The same of any value.
template <class D>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> RoundLanes(D d, hn::Vec<D> value) {
  const hn::RebindToUnsigned<D> wide;
  const auto quiet_nan = hn::Or(hn::BitCast(wide, value), hn::Set(wide, 0x400000u));
  const auto is_nan = hn::RebindMask(wide, hn::IsNaN(value));
  return hn::IfThenElse(is_nan, quiet_nan, RoundNumbers(d, value));
}

template <class D>
HWY_INLINE hn::Vec<BFloat16Bits<D>> UpperHalves(D /*d*/, hn::Vec<hn::RebindToUnsigned<D>> wide) {
  return hn::TruncateTo(BFloat16Bits<D>(), hn::ShiftRight<16>(wide));
}

#if HWY_TARGET == HWY_AVX3
// The same in one instruction: a permutation into the upper halves, zero elsewhere.
HWY_INLINE hn::Vec<hn::ScalableTag<float>> WidenLanes(
    hn::ScalableTag<float>, hn::Vec<BFloat16Bits<hn::ScalableTag<float>>> bits) {
  const __m512i from = _mm512_set_epi16(15, 0, 14, 0, 13, 0, 12, 0, 11, 0, 10, 0, 9, 0, 8, 0, 7, 0,
                                        6, 0, 5, 0, 4, 0, 3, 0, 2, 0, 1, 0, 0, 0);
  const __m512i wide =
      _mm512_maskz_permutexvar_epi16(0xAAAAAAAA, from, _mm512_castsi256_si512(bits.raw));
  return hn::Vec<hn::ScalableTag<float>>{_mm512_castsi512_ps(wide)};
}

// In three instructions, of which none competes with multiply-adds, as those that write masks do.
HWY_INLINE hn::Vec<hn::ScalableTag<std::uint32_t>> RoundNumbers(
    hn::ScalableTag<float>, hn::Vec<hn::ScalableTag<float>> value) {
  const __m512i bits = _mm512_castps_si512(value.raw);
  // To be subtracted: -0x8000, or one more where the last bit kept is 0: (~A & B) | C.
  constexpr int kNotAAndBOrC = 0xAE;
  const __m512i step = _mm512_ternarylogic_epi32(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1),
                                                 _mm512_set1_epi32(-0x8000), kNotAAndBOrC);
  return hn::Vec<hn::ScalableTag<std::uint32_t>>{_mm512_sub_epi32(bits, step)};
}

// One fix-up keeps NaNs. AVX512-BF16's own conversion would flush subnormals, so that processors
// with and without it would not agree.
HWY_INLINE hn::Vec<hn::ScalableTag<std::uint32_t>> RoundLanes(
    hn::ScalableTag<float> d, hn::Vec<hn::ScalableTag<float>> value) {
  // Per class of number, from the lowest digit: quiet NaN, signalling NaN: the source, made quiet
  // (2); all others: what is there (0).
  const __m512i keep_nans = _mm512_set1_epi32(0x22);
  const __m512 fixed = _mm512_fixupimm_ps(_mm512_castsi512_ps(RoundNumbers(d, value).raw),
                                          value.raw, keep_nans, /*exceptions=*/0);
  return hn::Vec<hn::ScalableTag<std::uint32_t>>{_mm512_castps_si512(fixed)};
}

// In one permutation.
HWY_INLINE hn::Vec<BFloat16Bits<hn::ScalableTag<float>>> UpperHalves(
    hn::ScalableTag<float>, hn::Vec<hn::ScalableTag<std::uint32_t>> wide) {
  const __m512i upper_halves =
      _mm512_set_epi16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                       31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  const __m512i packed = _mm512_permutexvar_epi16(upper_halves, wide.raw);
  return hn::Vec<BFloat16Bits<hn::ScalableTag<float>>>{_mm512_castsi512_si256(packed)};
}
#endif

template <class D>
HWY_INLINE hn::Vec<BFloat16Bits<D>> NarrowLanes(D d, hn::Vec<D> value) {
  return UpperHalves(d, RoundLanes(d, value));
}

// `value` as it comes back from bf16.
template <class D>
HWY_INLINE hn::Vec<D> RoundToBFloat16(D d, hn::Vec<D> value) {
  const hn::RebindToUnsigned<D> wide;
  return hn::BitCast(d, hn::And(RoundLanes(d, value), hn::Set(wide, 0xffff0000u)));
}

// Of values that are not NaN.
template <class D>
HWY_INLINE hn::Vec<BFloat16Bits<D>> NarrowNumbers(D d, hn::Vec<D> value) {
  return UpperHalves(d, RoundNumbers(d, value));
}

// Lane by lane the bf16 nearest to `low` in the lower half and that nearest to `high` in the upper
// one.
template <class D>
HWY_INLINE hn::Vec<D> PairLanes(D d, hn::Vec<D> low, hn::Vec<D> high) {
  const hn::RebindToUnsigned<D> wide;
  const auto upper = hn::BitCast(wide, RoundToBFloat16(d, high));
  return hn::BitCast(d, hn::Or(hn::ShiftRight<16>(RoundLanes(d, low)), upper));
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace nasengine
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
