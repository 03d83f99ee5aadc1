// What this machine can do at best, measured in the same run as the kernels: the floor that each of
// them is held against.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "kernels/core/context.h"

namespace nasengine {

// Bandwidths count bytes read and written.
struct MachineLimits {
  double copy_gbps = 0;            // between arrays far larger than the caches, ordinary stores
  double streaming_copy_gbps = 0;  // the same, with stores that bypass the caches
  double cached_copy_gbps = 0;     // between arrays that stay in the last-level cache
  double fma_gflops = 0;           // f32 multiply-adds from registers, two operations each
  std::int64_t cache_bytes = 0;    // of the last-level cache
};

// About half a second; touches 512 MiB. Of a device other than a CPU it knows how fast it copies
// and nothing else: its other limits are 0 and bound no floor.
MachineLimits MeasureLimits(Context& context);

// What a kernel cannot avoid.
struct Work {
  double bytes = 0;  // moved, as often as the method must
  double flops = 0;
  double footprint_bytes = 0;  // of all its tensors together
};

// The least time for it: the larger of moving and computing. Memory moves at the cache's speed
// where the tensors fill at most 5/8 of it (they are the same in every run), else at that of
// streaming stores.
double FloorMs(const MachineLimits& limits, const Work& work);

}  // namespace nasengine
