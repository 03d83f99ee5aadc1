// What happens to the results of a matrix product while they are still in registers. An epilogue is
// called by all threads of a block with the engine, the block's place and its shared memory, which
// the product has done with.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/matrix_product_cuda_engine.cuh"
#include "kernels/cuda/activation.cuh"

namespace nasengine::cuda {

// Where a block's tile lies in the result (rows, columns), and of which part of the depth it is.
struct ProductPlace {
  std::int64_t row;
  std::int64_t rows;
  int column;
  int columns;
  int split;
};

// to[0..count) <- values; more than V count as V. `wide`: there are V or none, and they are aligned
// to 16 bytes.
template <class Out, int V>
__device__ __forceinline__ void StoreRow(Out* to, const float (&values)[V], int count, bool wide) {
  if (wide) {
    if (count <= 0) return;
    constexpr int kChunk = 16 / static_cast<int>(sizeof(Out));
    static_assert(V % kChunk == 0);
#pragma unroll
    for (int i = 0; i < V; i += kChunk) {
      Vector<Out, kChunk> vector;
      vector.Set(values + i);
      vector.Store(to + i);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < V; ++i) {
    if (i < count) to[i] = FromFloat<Out>(values[i]);
  }
}

// values <- from[0..count), zeros beyond; as StoreRow.
template <class T, int V>
__device__ __forceinline__ void LoadRow(const T* from, float (&values)[V], int count, bool wide) {
  if (wide) {
    constexpr int kChunk = 16 / static_cast<int>(sizeof(T));
    static_assert(V % kChunk == 0);
#pragma unroll
    for (int i = 0; i < V; i += kChunk) {
      Vector<T, kChunk> vector;
      vector.Clear();
      if (count > 0) vector.LoadReadOnly(from + i);
#pragma unroll
      for (int j = 0; j < kChunk; ++j) values[i + j] = vector.Get(j);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < V; ++i) values[i] = i < count ? ToFloat(from[i]) : 0.0f;
}

// activation(result + bias).
template <class Out>
struct StoreResult {
  Out* data;                    // (splits, rows, columns)
  bool wide;                    // see StoreRow
  const float* bias = nullptr;  // (columns) or none
  Activation activation = Activation::kNone;

  template <class Engine, int kPieces>
  __device__ __forceinline__ void Run(const Engine& engine, const ProductPlace& place,
                                      float* /*shared*/) const {
    constexpr int V = Engine::kVector;
    Out* const to = data + place.split * place.rows * place.columns;
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
      const int column = place.column + Engine::Column(piece);
      float added[V];
#pragma unroll
      for (int i = 0; i < V; ++i) {
        added[i] = bias != nullptr && column + i < place.columns ? bias[column + i] : 0.0f;
      }
#pragma unroll
      for (int r = 0; r < Engine::kRows; ++r) {
        const std::int64_t row = place.row + Engine::Row(r);
        if (row >= place.rows) continue;
        float values[V];
#pragma unroll
        for (int i = 0; i < V; ++i) {
          values[i] = Activate(engine.Get(r, piece, i) + added[i], activation);
        }
        StoreRow<Out, V>(to + row * place.columns + column, values, place.columns - column, wide);
      }
    }
  }
};

// The results themselves, or added to what is there.
struct AddToParts {
  float* data;  // (splits, rows, columns)
  bool wide;    // see StoreRow
  bool accumulate;

  template <class Engine, int kPieces>
  __device__ __forceinline__ void Run(const Engine& engine, const ProductPlace& place,
                                      float* /*shared*/) const {
    constexpr int V = Engine::kVector;
    float* const to = data + place.split * place.rows * place.columns;
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
      const int column = place.column + Engine::Column(piece);
#pragma unroll
      for (int r = 0; r < Engine::kRows; ++r) {
        const std::int64_t row = place.row + Engine::Row(r);
        if (row >= place.rows) continue;
        float* const at = to + row * place.columns + column;
        float values[V];
#pragma unroll
        for (int i = 0; i < V; ++i) {
          const bool added = accumulate && column + i < place.columns;
          values[i] = engine.Get(r, piece, i) + (added ? at[i] : 0.0f);
        }
        StoreRow<float, V>(at, values, place.columns - column, wide);
      }
    }
  }
};

}  // namespace nasengine::cuda
