// Which results are better written past the caches.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "kernels/core/tensor.h"

namespace nasengine {

// Outputs of so many bytes have left the last cache before the next operator reads them; smaller
// ones are still there.
inline constexpr std::int64_t kStreamedBytes = 8 << 20;

// Whether `out` is so large, and its rows of `row` elements are whole cache lines.
inline bool StreamsRows(const View& out, std::int64_t row) {
  constexpr std::int64_t kLine = 64;
  return out.bytes() >= kStreamedBytes && reinterpret_cast<std::uintptr_t>(out.data) % kLine == 0 &&
         row * SizeOf(out.dtype) % kLine == 0;
}

// Whether `out` is so large, and its pixels are whole cache lines.
inline bool StreamsLines(const View& out) { return StreamsRows(out, out.shape.back()); }

// The same for whoever writes a pixel vector by vector: one of bf16 is half a line, which would
// cross memory twice.
inline bool Streams(const View& out) { return out.dtype == DType::kF32 && StreamsLines(out); }

}  // namespace nasengine
