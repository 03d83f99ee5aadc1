// Whether the processor multiplies tiles of bf16, which compilers ask for by different names.
// SPDX-License-Identifier: MIT
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace nasengine {

// AMX-BF16, by CPUID leaf 7; asked once, since a virtual machine is slow to answer.
inline bool HasAmxBf16() {
#if defined(__x86_64__)
  static const bool has = [] {
    constexpr unsigned kAmxBf16 = 1u << 22;
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kAmxBf16) != 0;
  }();
  return has;
#else
  return false;
#endif
}

}  // namespace nasengine
