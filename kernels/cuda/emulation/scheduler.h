// Runs a kernel's threads as fibers on the host: one block at a time, every thread until it waits
// for others. Whatever a device would leave undefined is an error that names kernel, block, thread
// and line.
//
// The order in which threads run is NASENGINE_EMULATED_ORDER: forward (default), reverse, or
// random:SEED, drawn anew whenever all have had their turn; so is that of blocks.
//
// Thread rule: one launch at a time, on any thread; kernels call the functions below.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/emulation/runtime.h"

namespace nasengine::cuda::emulation {

// Where a thread waits.
struct Place {
  const char* file;
  int line;
  friend bool operator==(const Place&, const Place&) = default;
};

// What threadIdx and the like are.
struct ThreadIndices {
  dim3 thread;
  dim3 block;
  dim3 block_size;
  dim3 grid_size;
};
const ThreadIndices& Indices();

// Waits for the block.
void SyncBlock(Place place);

// What a lane shows the others: as much as a tensor core's operands take.
using LaneWords = std::array<std::uint32_t, 6>;
inline constexpr int kLanes = 32;
// Waits for the lanes of `mask`; returns what they showed, by lane.
const std::array<LaneWords, kLanes>& ExchangeLanes(unsigned mask, const LaneWords& words,
                                                   Place place);
int LaneNumber();
// Ends the launch with an error of this thread.
[[noreturn]] void Fail(const char* what, Place place);

// The block's array of this key; made on its first use, all bits set.
void* SharedArray(const void* key, std::size_t bytes, std::size_t alignment);
void* DynamicShared();

// See portable.cuh. What never waits never arrives.
void AsyncCopy(void* shared, const void* global, int bytes, bool inside);
void AsyncCommit();
void AsyncWait(int pending);

// Throws kDevice for what a kernel does wrong; returns what a device refuses to launch.
struct GridLaunch {
  const char* kernel;
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes;
  void (*body)(void*);  // one thread's work
  void* arguments;
};
cudaError_t RunGrid(const GridLaunch& launch);

}  // namespace nasengine::cuda::emulation
