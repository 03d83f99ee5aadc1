// What the lanes of a warp do together: wait for each other, shuffle, multiply on a tensor core.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/cuda/emulation/scheduler.h"

namespace nasengine::cuda::emulation {

void SyncLanes(unsigned mask, Place place);

// `part` gives up to 8 bytes; the result is what lane `part.source` gives. What a lane outside the
// mask would give is anything on a device, and an error here.
void Shuffle(unsigned mask, LanePart& part, Place place);

template <class T>
T FromLane(unsigned mask, T value, int source, Place place) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  LanePart part{};
  part.source = source;
  std::memcpy(part.given.data(), &value, sizeof(T));
  Shuffle(mask, part, place);
  std::memcpy(&value, part.result.data(), sizeof(T));
  return value;
}

// See portable.cuh.
void TensorCoreProduct(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                       Place place);

}  // namespace nasengine::cuda::emulation
