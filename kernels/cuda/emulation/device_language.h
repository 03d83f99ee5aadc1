// The words of CUDA C++ that kernels use, for a host compiler.
// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/cuda/emulation/scheduler.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (::nasengine::cuda::emulation::Indices().thread)
#define blockIdx (::nasengine::cuda::emulation::Indices().block)
#define blockDim (::nasengine::cuda::emulation::Indices().block_size)
#define gridDim (::nasengine::cuda::emulation::Indices().grid_size)

// The address of a local of every instance of a kernel tells its arrays from others'.
#define NAS_SHARED(T, name, count)                                           \
  static const char name##_key = 0;                                          \
  T* const name = static_cast<T*>(::nasengine::cuda::emulation::SharedArray( \
      &name##_key, sizeof(T) * (count), alignof(T) < 16 ? 16 : alignof(T)))
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
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

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
  nasengine::cuda::emulation::ExchangeLanes(mask, {}, {file, line});
}

namespace nasengine::cuda::emulation {

// The value that lane `source` shows; of lanes outside the mask a device gives anything.
template <class T>
T FromLane(unsigned mask, T value, int source, Place place) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  LaneWords words{};
  std::memcpy(words.data(), &value, sizeof(T));
  const auto& shown = ExchangeLanes(mask, words, place);
  if ((mask >> source & 1) == 0) Fail("a shuffle reads a lane outside its mask", place);
  std::memcpy(&value, shown[static_cast<std::size_t>(source)].data(), sizeof(T));
  return value;
}

inline void TensorCoreProduct(float (&d)[4], const std::uint32_t (&a)[4],
                              const std::uint32_t (&b)[2], const char* file = __builtin_FILE(),
                              int line = __builtin_LINE()) {
  const auto& lanes =
      ExchangeLanes(0xffffffffu, {a[0], a[1], a[2], a[3], b[0], b[1]}, {file, line});
  const auto half = [](std::uint32_t word, int high) {
    const std::uint32_t bits = high != 0 ? word & 0xffff0000u : word << 16;
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  };
  const auto a_at = [&](int row, int k) {
    const int word = (row >= 8 ? 1 : 0) + (k >= 8 ? 2 : 0);
    return half(
        lanes[static_cast<std::size_t>(row % 8 * 4 + k % 8 / 2)][static_cast<std::size_t>(word)],
        k % 2);
  };
  const auto b_at = [&](int k, int column) {
    const int word = 4 + (k >= 8 ? 1 : 0);
    return half(
        lanes[static_cast<std::size_t>(column * 4 + k % 8 / 2)][static_cast<std::size_t>(word)],
        k % 2);
  };
  const int group = LaneNumber() / 4;
  const int pair = LaneNumber() % 4;
  for (int i = 0; i < 4; ++i) {
    const int row = group + (i >= 2 ? 8 : 0);
    const int column = 2 * pair + i % 2;
    for (int k = 0; k < 16; ++k) d[i] += a_at(row, k) * b_at(k, column);
  }
}

}  // namespace nasengine::cuda::emulation

template <class T>
T __shfl_sync(unsigned mask, T value, int source, const char* file = __builtin_FILE(),
              int line = __builtin_LINE()) {
  return nasengine::cuda::emulation::FromLane(mask, value, source & 31, {file, line});
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {
  return nasengine::cuda::emulation::FromLane(
      mask, value, nasengine::cuda::emulation::LaneNumber() ^ lanes, {file, line});
}
// Lanes beyond the warp keep their own value.
template <class T>
T __shfl_down_sync(unsigned mask, T value, int delta, const char* file = __builtin_FILE(),
                   int line = __builtin_LINE()) {
  const int lane = nasengine::cuda::emulation::LaneNumber();
  return nasengine::cuda::emulation::FromLane(mask, value, lane + delta < 32 ? lane + delta : lane,
                                              {file, line});
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, int delta, const char* file = __builtin_FILE(),
                 int line = __builtin_LINE()) {
  const int lane = nasengine::cuda::emulation::LaneNumber();
  return nasengine::cuda::emulation::FromLane(mask, value, lane >= delta ? lane - delta : lane,
                                              {file, line});
}
