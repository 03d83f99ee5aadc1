// The CUDA that our kernels are written in: one source that nvcc compiles for a card and a host
// compiler for the emulation (NASENGINE_CUDA_EMULATED), where every check of tests/kernels/cuda
// runs without one.
//
// Rules that make one source serve both:
//   Kernels are templates or functions in .cuh files; a launch goes through Launch (launch.h).
//   Shared memory is declared by NAS_SHARED and NAS_DYNAMIC_SHARED alone: the emulation poisons it.
//   No lane leaves before a barrier or a shuffle: guard loads and results, do not return.
//   What has no counterpart in C++ (asynchronous copies, tensor cores) is a function below with two
//   bodies. No other inline PTX, no cooperative groups, no atomics.
// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/core/bfloat16.h"
#include "kernels/cuda/runtime_api.h"

#ifdef NASENGINE_CUDA_EMULATED
#include "kernels/cuda/emulation/device_language.h"
// The line that calls, a last parameter where the emulation is to name it.
#define NAS_CALLER , const char *file = __builtin_FILE(), int line = __builtin_LINE()
#else
#define NAS_CALLER
#include <cuda_bf16.h>
// T name[count], uninitialised.
#define NAS_SHARED(T, name, count) __shared__ T name[count]
// T* name: the bytes that the launch asked for, aligned to 16.
#define NAS_DYNAMIC_SHARED(T, name)                                   \
  extern __shared__ __align__(16) unsigned char nas_dynamic_shared[]; \
  T* name = reinterpret_cast<T*>(nas_dynamic_shared)
#endif

namespace nasengine::cuda {

inline constexpr unsigned kAllLanes = 0xffffffffu;
inline constexpr int kWarp = 32;

__host__ __device__ __forceinline__ float BitsToFloat(std::uint32_t bits) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(bits);
#else
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
#endif
}

__host__ __device__ __forceinline__ std::uint32_t FloatToBits(float value) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(value);
#else
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
#endif
}

// The bits of `value` as bf16, to nearest even; a NaN stays one.
__host__ __device__ __forceinline__ std::uint32_t Bf16Bits(float value) {
#ifdef __CUDA_ARCH__
  return __bfloat16_as_ushort(__float2bfloat16_rn(value));
#else
  return Narrow(value).bits;
#endif
}

// Two of them, `low` in the low half: the order in which memory has them.
__device__ __forceinline__ std::uint32_t Bf16Pair(float low, float high) {
#ifdef __CUDA_ARCH__
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  std::uint32_t bits;
  memcpy(&bits, &pair, sizeof(bits));
  return bits;
#else
  return Bf16Bits(low) | (Bf16Bits(high) << 16);
#endif
}

__host__ __device__ __forceinline__ float ToFloat(float value) { return value; }
__host__ __device__ __forceinline__ float ToFloat(BFloat16 value) {
  return BitsToFloat(static_cast<std::uint32_t>(value.bits) << 16);
}
template <class T>
__host__ __device__ __forceinline__ T FromFloat(float value) {
  if constexpr (sizeof(T) == 2) {
    return T{static_cast<std::uint16_t>(Bf16Bits(value))};
  } else {
    return value;
  }
}

// V elements of T (f32 or bf16) that cross memory in one access and are unpacked to f32 only where
// they are used. V * sizeof(T) is 2, 4, 8 or 16 bytes, and so is the alignment of `from` and `to`.
template <class T, int V>
struct Vector {
  static constexpr int kBytes = V * static_cast<int>(sizeof(T));
  static constexpr int kWords = kBytes < 4 ? 1 : kBytes / 4;
  static_assert(kBytes == 2 || kBytes == 4 || kBytes == 8 || kBytes == 16);

  std::uint32_t word[kWords];

  __device__ __forceinline__ void Clear() {
#pragma unroll
    for (int i = 0; i < kWords; ++i) word[i] = 0;
  }
  // Through the read-only cache: nobody writes there during the kernel.
  __device__ __forceinline__ void LoadReadOnly(const T* from) {
    if constexpr (kBytes == 2) {
      word[0] = __ldg(reinterpret_cast<const unsigned short*>(from));
    } else if constexpr (kBytes == 4) {
      word[0] = __ldg(reinterpret_cast<const unsigned int*>(from));
    } else if constexpr (kBytes == 8) {
      Set2(__ldg(reinterpret_cast<const uint2*>(from)));
    } else {
      Set4(__ldg(reinterpret_cast<const uint4*>(from)));
    }
  }
  __device__ __forceinline__ void Load(const T* from) {
    if constexpr (kBytes == 2) {
      word[0] = *reinterpret_cast<const unsigned short*>(from);
    } else if constexpr (kBytes == 4) {
      word[0] = *reinterpret_cast<const unsigned int*>(from);
    } else if constexpr (kBytes == 8) {
      Set2(*reinterpret_cast<const uint2*>(from));
    } else {
      Set4(*reinterpret_cast<const uint4*>(from));
    }
  }
  __device__ __forceinline__ void Store(T* to) const {
    if constexpr (kBytes == 2) {
      *reinterpret_cast<unsigned short*>(to) = static_cast<unsigned short>(word[0]);
    } else if constexpr (kBytes == 4) {
      *reinterpret_cast<unsigned int*>(to) = word[0];
    } else if constexpr (kBytes == 8) {
      uint2 v;
      v.x = word[0];
      v.y = word[1];
      *reinterpret_cast<uint2*>(to) = v;
    } else {
      uint4 v;
      v.x = word[0];
      v.y = word[1];
      v.z = word[2];
      v.w = word[3];
      *reinterpret_cast<uint4*>(to) = v;
    }
  }
  // `i` is a constant once loops are unrolled.
  __device__ __forceinline__ float Get(int i) const {
    if constexpr (sizeof(T) == 4) {
      return BitsToFloat(word[i]);
    } else {
      return BitsToFloat((i & 1) != 0 ? (word[i / 2] & 0xffff0000u) : (word[i / 2] << 16));
    }
  }
  __device__ __forceinline__ void Set(const float* values) {
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int i = 0; i < V; ++i) word[i] = FloatToBits(values[i]);
    } else if constexpr (V == 1) {
      word[0] = Bf16Bits(values[0]);
    } else {
#pragma unroll
      for (int i = 0; i < V / 2; ++i) word[i] = Bf16Pair(values[2 * i], values[2 * i + 1]);
    }
  }

 private:
  __device__ __forceinline__ void Set2(const uint2& v) {
    word[0] = v.x;
    word[1] = v.y;
  }
  __device__ __forceinline__ void Set4(const uint4& v) {
    word[0] = v.x;
    word[1] = v.y;
    word[2] = v.z;
    word[3] = v.w;
  }
};

// Hides how a pointer to global memory was computed, so that strength reduction does not keep one
// pointer a load in registers.
template <class T>
__device__ __forceinline__ void Opaque(T*& pointer) {
#ifdef __CUDA_ARCH__
  asm volatile("" : "+l"(pointer));
  __builtin_assume(__isGlobal(pointer));  // hidden too, accesses would be generic
#else
  (void)pointer;
#endif
}

// Hides what an index is, so that what is loaded with it in a loop is not kept in registers.
__device__ __forceinline__ void Opaque(int& index) {
#ifdef __CUDA_ARCH__
  asm volatile("" : "+r"(index));
#else
  (void)index;
#endif
}

// Copies `kBytes` (4, 8 or 16, both sides so aligned) from global to shared memory beside the
// thread's further work; where !inside, zeros arrive and `global` is not read. Grouped by
// AsyncCommit; there once AsyncWait<n> leaves at most the last n groups of this thread pending, for
// other threads after a barrier besides.
template <int kBytes>
__device__ __forceinline__ void AsyncCopy(void* shared, const void* global,
                                          bool inside = true NAS_CALLER) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
#ifdef __CUDA_ARCH__
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  const int bytes = inside ? kBytes : 0;
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(global),
                 "n"(kBytes), "r"(bytes)
                 : "memory");
  }
#elif defined(NASENGINE_CUDA_EMULATED)
  emulation::AsyncCopy(shared, global, kBytes, inside, {file, line});
#else
  (void)shared, (void)global, (void)inside;
#endif
}

__device__ __forceinline__ void AsyncCommit() {
#ifdef __CUDA_ARCH__
  asm volatile("cp.async.commit_group;" ::: "memory");
#elif defined(NASENGINE_CUDA_EMULATED)
  emulation::AsyncCommit();
#endif
}

template <int kPending>
__device__ __forceinline__ void AsyncWait() {
#ifdef __CUDA_ARCH__
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#elif defined(NASENGINE_CUDA_EMULATED)
  emulation::AsyncWait(kPending);
#endif
}

// d += a b on a warp's tensor core: a (16, 16) bf16, b (16, 8) bf16, d (16, 8) f32. [PTX ISA,
// mma.m16n8k16] With g = lane / 4 and t = lane % 4, and pairs of bf16 in a word, the lower index
// in the low half, a lane holds
//   a[0] (g, 2t..)   a[1] (g + 8, 2t..)   a[2] (g, 2t + 8..)   a[3] (g + 8, 2t + 8..)
//   b[0] (2t.., g)   b[1] (2t + 8.., g)
//   d[0] d[1] (g, 2t..)   d[2] d[3] (g + 8, 2t..)
// All 32 lanes take part.
__device__ __forceinline__ void TensorCoreProduct(float (&d)[4], const std::uint32_t (&a)[4],
                                                  const std::uint32_t (&b)[2] NAS_CALLER) {
#ifdef __CUDA_ARCH__
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(NASENGINE_CUDA_EMULATED)
  emulation::TensorCoreProduct(d, a, b, {file, line});
#else
  (void)d, (void)a, (void)b;
#endif
}

}  // namespace nasengine::cuda
