// SPDX-License-Identifier: MIT
#include "kernels/core/processor.h"

namespace nasengine {

bool ProcessorMultipliesBf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

}  // namespace nasengine
