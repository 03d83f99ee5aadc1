// How our CUDA kernels of depthwise convolution read a map: as it is, or transformed on the way
// (input_transform_cuda.cuh). What is transformed is rounded to the map's type, as if it had been
// stored; beside the map there are zeros, whatever the transform makes of zeros.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/depthwise_conv_cuda.cuh"
#include "kernels/conv/input_transform_cuda.cuh"

namespace nasengine::cuda {

// A map, with what is made of its elements.
template <class T_, class Transform_ = Unchanged<T_>>
struct MarchInput {
  using T = T_;
  using Transform = Transform_;
  static constexpr int kInputs = Transform::kInputs;
  static constexpr bool kChanges = Transform::kTables > 0;

  const T* data;
  Transform transform = {};

  __host__ __device__ __forceinline__ const T* input(int i) const {
    if constexpr (kInputs == 2) {
      if (i == 1) return transform.second;
    }
    return data;
  }
};

// One access to each of a map's tensors.
template <class Input, int V>
struct MarchRaw {
  Vector<typename Input::T, V> of[Input::kInputs];

  __device__ __forceinline__ void Clear() {
#pragma unroll
    for (int i = 0; i < Input::kInputs; ++i) of[i].Clear();
  }
};

// The numbers that a map's transform has for V channels.
template <class Input, int V>
struct MarchNumbers {
  static constexpr int kTables = Input::Transform::kTables;
  float of[V][Input::kChanges ? kTables : 1];

  // `channel`: the first of V, or beyond all `channels`.
  __device__ __forceinline__ void Fill(const Input& input, int channel, int channels) {
    if constexpr (Input::kChanges) {
#pragma unroll
      for (int v = 0; v < V; ++v) {
#pragma unroll
        for (int which = 0; which < kTables; ++which) of[v][which] = 0;
        if (channel < channels) input.transform.Fill(channel + v, of[v]);
      }
    }
  }
  // To and from a table (kTables, step), where the first of V channels is.
  __device__ __forceinline__ void Store(float* table, int step) const {
#pragma unroll
    for (int v = 0; v < V; ++v) {
#pragma unroll
      for (int which = 0; which < kTables; ++which) table[which * step + v] = of[v][which];
    }
  }
  __device__ __forceinline__ void Load(const float* table, int step) {
#pragma unroll
    for (int v = 0; v < V; ++v) {
#pragma unroll
      for (int which = 0; which < kTables; ++which) of[v][which] = table[which * step + v];
    }
  }
};

// Where it is not inside, what is raw has been cleared.
template <class Input, int V>
__device__ __forceinline__ Vector<typename Input::T, V> Transformed(
    const Input& input, const MarchRaw<Input, V>& raw, const MarchNumbers<Input, V>& numbers,
    bool inside) {
  if constexpr (!Input::kChanges) {
    return raw.of[0];
  } else {
    float values[V];
#pragma unroll
    for (int v = 0; v < V; ++v) {
      float inputs[Input::kInputs];
#pragma unroll
      for (int i = 0; i < Input::kInputs; ++i) inputs[i] = raw.of[i].Get(v);
      values[v] = inside ? input.transform(inputs, numbers.of[v]) : 0.0f;
    }
    Vector<typename Input::T, V> made;
    made.Set(values);
    return made;
  }
}

// A thread's view of a map: where it reads, and its V channels' numbers.
template <class Input, int V>
class MarchReader {
  using T = typename Input::T;

 public:
  using Raw = MarchRaw<Input, V>;
  // Where a row begins in each of the map's tensors.
  struct Row {
    const T* of[Input::kInputs];
  };

  // `channel`: the first of V, or beyond all `channels`.
  __device__ __forceinline__ MarchReader(const Input& input, int channel, int channels)
      : input_(input) {
    MoveTo(0);
    numbers_.Fill(input, channel, channels);
  }

  // Offsets count from this element of the map on.
  __device__ __forceinline__ void MoveTo(std::int64_t element) {
#pragma unroll
    for (int i = 0; i < Input::kInputs; ++i) base_[i] = input_.input(i) + element;
  }
  __device__ __forceinline__ Row RowAt(std::int64_t offset) const {
    Row row;
#pragma unroll
    for (int i = 0; i < Input::kInputs; ++i) {
      row.of[i] = base_[i] + offset;
      Opaque(row.of[i]);
    }
    return row;
  }
  static __device__ __forceinline__ void Load(const Row& row, std::int64_t offset, Raw& raw) {
#pragma unroll
    for (int i = 0; i < Input::kInputs; ++i) raw.of[i].LoadReadOnly(row.of[i] + offset);
  }
  __device__ __forceinline__ Vector<T, V> Make(const Raw& raw, bool inside) const {
    return Transformed(input_, raw, numbers_, inside);
  }

 private:
  const Input& input_;
  const T* base_[Input::kInputs];
  MarchNumbers<Input, V> numbers_;
};

}  // namespace nasengine::cuda
