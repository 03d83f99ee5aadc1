// Runs a kernel's threads as fibers on the host: one block at a time, every thread until it waits
// for others. What a device would leave undefined is an error that names kernel, block, thread and
// line.
//
// The order in which threads run is NASENGINE_EMULATED_ORDER, read at every launch: forward
// (default), reverse, or random:SEED, drawn anew whenever all have had their turn; so is that of
// blocks.
//
// Thread rule: launches of several threads wait for each other; kernels call the functions below.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "kernels/cuda/emulation/runtime.h"

namespace nasengine::cuda::emulation {

inline constexpr int kLanes = 32;

// A line of a kernel.
struct Place {
  const char* file = nullptr;
  int line = 0;

  friend bool operator==(const Place& a, const Place& b) {
    return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
  }
};

// What threadIdx and the like are, of the thread that runs.
struct ThreadIndices {
  dim3 thread;
  dim3 block;
  dim3 block_size;
  dim3 grid_size;
  int lane = 0;
};
// A variable as CUDA's are; the scheduler alone writes it.
extern ThreadIndices running;

// Waits for the block.
void SyncBlock(Place place);

// A lane's part in what its warp does together: as much as a tensor core's product takes.
struct LanePart {
  std::array<std::uint32_t, 6> given;
  std::array<std::uint32_t, 4> result;
  int source;
};
using LaneParts = std::array<LanePart*, kLanes>;
// Sets the results of the lanes in `mask`; the other parts are null.
using WarpOperation = void (*)(unsigned mask, const LaneParts& lanes);
// Waits for the lanes of `mask` and makes the operation with them.
void DoAsWarp(unsigned mask, LanePart& own, WarpOperation operation, Place place);

// Ends the launch with an error of this thread.
[[noreturn]] void Fail(const char* what, Place place);

// The block's array of this key.
void* SharedArray(const void* key, std::size_t bytes, std::size_t alignment, Place place);
void* DynamicShared();

// See portable.cuh and async_copies.h.
void AsyncCopy(void* shared, const void* global, int bytes, bool inside, Place place);
void AsyncCommit();
void AsyncWait(int pending);

struct GridLaunch {
  const char* kernel;
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes;
  void (*body)(void* call);  // one thread's work
  void* call;
  // By argument of the kernel; null for what is no pointer.
  std::span<const void* const> pointers;
};
// Returns what a device refuses to launch; throws kDevice for what the kernel then does wrong.
cudaError_t RunGrid(const GridLaunch& launch);

}  // namespace nasengine::cuda::emulation
