// What a kernel of ours asks of a device, counted from its launch geometry: the form in which the
// models beside the kernels (*_cuda_traffic.h, *_cuda_plan.h) give it.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace nasengine::cuda {

struct KernelTraffic {
  std::int64_t blocks = 0;  // of the largest launch
  // What all blocks ask for together, of the cache or of memory.
  double asked = 0;
  // Of these what no cache has: what blocks read at about the same time counts once, and partial
  // sums of a weights' gradient, which fit into the cache, do not count.
  double bytes = 0;
  // Every tensor once for each pass that an algorithm of this kind has to make.
  double least = 0;
  double flops = 0;

  double ratio() const { return bytes / least; }
};

// Two sums a channel in f64, written by so many blocks and read again.
inline double ChannelSumBytes(std::int64_t blocks, std::int64_t channels) {
  return 2.0 * 2.0 * static_cast<double>(sizeof(double)) * static_cast<double>(blocks * channels);
}

}  // namespace nasengine::cuda
