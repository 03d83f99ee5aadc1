// One loop for all kernels that treat tensors as rows of numbers: whole vectors where the pointers
// allow them, the rest one by one.
//
// A body is copied to the device and has
//   static constexpr int kVector                          elements of a whole vector
//   bool aligned() const                                  whether its pointers allow them
//   template <int V> __device__ auto Load(i) const        what elements [i, i + V) need
//   template <int V> __device__ void Finish(i, loaded) const
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <limits>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

inline constexpr int kElementThreads = 256;
// Vectors of a thread, all loaded before the first is finished. A block's lie side by side.
inline constexpr int kElementVectors = 2;

// What block `block` of those that share elements [0, n) does.
template <int V, class Body>
__device__ __forceinline__ void ForElementsOfBlock(const Body& body, std::int64_t block,
                                                   std::int64_t n) {
  const std::int64_t vectors = n / V;
  const std::int64_t first = block * (kElementThreads * kElementVectors) + threadIdx.x;
  decltype(body.template Load<V>(first)) loaded[kElementVectors];
#pragma unroll
  for (int j = 0; j < kElementVectors; ++j) {
    const std::int64_t vector = first + j * kElementThreads;
    if (vector < vectors) loaded[j] = body.template Load<V>(vector * V);
  }
#pragma unroll
  for (int j = 0; j < kElementVectors; ++j) {
    const std::int64_t vector = first + j * kElementThreads;
    if (vector < vectors) body.template Finish<V>(vector * V, loaded[j]);
  }
  if constexpr (V > 1) {
    const std::int64_t rest = vectors * V + first;
    if (rest < n) body.template Finish<1>(rest, body.template Load<1>(rest));
  }
}

template <int V, class Body>
__global__ void __launch_bounds__(kElementThreads) ForElements(Body body, std::int64_t n) {
  ForElementsOfBlock<V>(body, blockIdx.x, n);
}

// Whether `V` elements of T from `pointer` on can be one access; true for no pointer.
template <int V, class T>
bool AlignedFor(const T* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % (V * sizeof(T)) == 0;
}

// Blocks for `n` elements in vectors of V. One at least, for a rest without a whole vector.
template <int V>
std::int64_t ElementBlocks(std::int64_t n) {
  return std::max<std::int64_t>(1, DivideUp(n / V, kElementThreads * kElementVectors));
}

inline LaunchShape ElementShape(const char* name, std::int64_t blocks) {
  NAS_CHECK(blocks <= std::numeric_limits<int>::max(), name, ": ", blocks, " blocks are too many");
  return {.grid = dim3(static_cast<unsigned>(blocks)), .block = dim3(kElementThreads)};
}

template <class Body>
void ForEachElement(Context& context, const char* name, const Body& body, std::int64_t n) {
  if (n == 0) return;
  constexpr int kVector = Body::kVector;
  if (body.aligned()) {
    Launch(context, name, &ForElements<kVector, Body>,
           ElementShape(name, ElementBlocks<kVector>(n)), body, n);
  } else {
    Launch(context, name, &ForElements<1, Body>, ElementShape(name, ElementBlocks<1>(n)), body, n);
  }
}

// out[i] = operation(i, in[0][i], ...) for one or two inputs in one type, which may be the output
// too.
template <class Operation, class In, class Out, int kInputs>
struct MapBody {
  static constexpr int kVector =
      16 / static_cast<int>(sizeof(In) > sizeof(Out) ? sizeof(In) : sizeof(Out));
  static_assert(kInputs == 1 || kInputs == 2);

  template <int V>
  struct Loaded {
    Vector<In, V> in[kInputs];
  };

  Operation operation;
  const In* in[kInputs];
  Out* out;

  bool aligned() const {
    return AlignedFor<kVector>(in[0]) && AlignedFor<kVector>(in[kInputs - 1]) &&
           AlignedFor<kVector>(out);
  }

  template <int V>
  __device__ __forceinline__ Loaded<V> Load(std::int64_t i) const {
    Loaded<V> loaded;
#pragma unroll
    for (int input = 0; input < kInputs; ++input) loaded.in[input].Load(in[input] + i);
    return loaded;
  }

  template <int V>
  __device__ __forceinline__ void Finish(std::int64_t i, const Loaded<V>& loaded) const {
    float values[V];
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if constexpr (kInputs == 1) {
        values[j] = operation(i + j, loaded.in[0].Get(j));
      } else {
        values[j] = operation(i + j, loaded.in[0].Get(j), loaded.in[1].Get(j));
      }
    }
    Vector<Out, V> vector;
    vector.Set(values);
    vector.Store(out + i);
  }
};

template <class In, class Out, class Operation>
void Map(Context& context, const char* name, const Operation& operation, const In* in, Out* out,
         std::int64_t n) {
  ForEachElement(context, name, MapBody<Operation, In, Out, 1>{operation, {in}, out}, n);
}
template <class T, class Operation>
void Map(Context& context, const char* name, const Operation& operation, const T* a, const T* b,
         T* out, std::int64_t n) {
  ForEachElement(context, name, MapBody<Operation, T, T, 2>{operation, {a, b}, out}, n);
}

}  // namespace nasengine::cuda
