// The instruction sets that our vectorised kernels are compiled for: AVX-512, AVX2, NEON and the
// baseline. Include before any Highway header.
// SPDX-License-Identifier: MIT
#pragma once

// The rest would cost build time for processors that train nothing; SVE's vectors have no size
// known when compiling, so they cannot be kept in arrays. Bits 4 and 6 are HWY_AVX3_SPR and
// HWY_AVX3_ZEN4, which later versions of Highway know and prefer to HWY_AVX3, the one that our
// code for AVX-512 is written for; by number, since older versions lack the names.
#define HWY_DISABLED_TARGETS                                                              \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | \
   HWY_RVV | (1LL << 4) | (1LL << 6))
