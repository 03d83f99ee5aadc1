// The words of CUDA C++ that kernels use, for a host compiler.
// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/cuda/emulation/scheduler.h"
#include "kernels/cuda/emulation/warp_operations.h"

// NOLINTBEGIN(readability-identifier-naming,bugprone-reserved-identifier): CUDA's own names.
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (::nasengine::cuda::emulation::running.thread)
#define blockIdx (::nasengine::cuda::emulation::running.block)
#define blockDim (::nasengine::cuda::emulation::running.block_size)
#define gridDim (::nasengine::cuda::emulation::running.grid_size)

// The address of a local of every instance of a kernel tells its arrays from others'.
#define NAS_SHARED(T, name, count)                                           \
  static const char name##_key = 0;                                          \
  T* const name = static_cast<T*>(::nasengine::cuda::emulation::SharedArray( \
      &name##_key, sizeof(T) * (count), alignof(T) < 16 ? 16 : alignof(T), {__FILE__, __LINE__}))
#define NAS_DYNAMIC_SHARED(T, name) \
  T* name = static_cast<T*>(::nasengine::cuda::emulation::DynamicShared())

struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }

template <class T>
T __ldg(const T* from) {
  return *from;
}
inline std::uint32_t __umulhi(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>((std::uint64_t{a} * b) >> 32);
}

// CUDA has them for every pair of numbers of one type.
template <class T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}

inline void __syncthreads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  nasengine::cuda::emulation::SyncBlock({file, line});
}
inline void __syncwarp(unsigned mask = 0xffffffffu, const char* file = __builtin_FILE(),
                       int line = __builtin_LINE()) {
  nasengine::cuda::emulation::SyncLanes(mask, {file, line});
}

// `width` lanes, a power of two, are as a warp of their own. Lanes of which the source would lie
// beyond keep their own value.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const int first = nasengine::cuda::emulation::running.lane & ~(width - 1);
  return nasengine::cuda::emulation::FromLane(mask, value, first + (source & (width - 1)),
                                              {file, line});
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32,
                  const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const int lane = nasengine::cuda::emulation::running.lane;
  const int source = lane ^ (lanes & 31);
  const int last = lane | (width - 1);
  return nasengine::cuda::emulation::FromLane(mask, value, source > last ? lane : source,
                                              {file, line});
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const int lane = nasengine::cuda::emulation::running.lane;
  const int source = lane + static_cast<int>(delta & 31);
  const int last = lane | (width - 1);
  return nasengine::cuda::emulation::FromLane(mask, value, source > last ? lane : source,
                                              {file, line});
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const int lane = nasengine::cuda::emulation::running.lane;
  const int source = lane - static_cast<int>(delta & 31);
  const int first = lane & ~(width - 1);
  return nasengine::cuda::emulation::FromLane(mask, value, source < first ? lane : source,
                                              {file, line});
}

// NOLINTEND(readability-identifier-naming,bugprone-reserved-identifier)
