// What the processor at hand has an instruction for, where that decides what is worth doing.
// SPDX-License-Identifier: MIT
#pragma once

namespace nasengine {

// Whether it multiplies bf16 faster than f32 (AVX512-BF16, which every processor with AMX has too).
// Where it does not, bf16 computes the same and saves memory only.
bool ProcessorMultipliesBf16();

}  // namespace nasengine
