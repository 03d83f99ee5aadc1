// Epilogues of matrix products that gather, while they store their results, the sums over rows that
// the next batch norm asks for. A block gives the sums of its rows, (tiles of rows, 2, columns) in
// f64, for FinaliseStatistics or FinaliseGradients (norm/batch_norm_cuda.h).
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/matrix_product_cuda_epilogue.cuh"
#include "kernels/norm/batch_norm_apply_cuda.cuh"

namespace nasengine::cuda {

// Two sums a column over the rows of a block's tile: within a thread's rows by the caller, in f32,
// then over the lanes of a warp, then over the warps in f64.
template <class Engine, int kPieces>
class ColumnSums {
 public:
  static constexpr int kColumns = kPieces * kPiece;
  static constexpr int kWarps = kProductThreads / kWarp;
  static constexpr int kFloats = kWarps * 2 * kColumns;

  // `shared`: kFloats, used by nobody else until Finish is over.
  __device__ __forceinline__ explicit ColumnSums(float* shared) : shared_(shared) {}

  // A thread's sums of one piece; all lanes of a warp take part.
  __device__ __forceinline__ void Put(int piece, float (&first)[Engine::kVector],
                                      float (&second)[Engine::kVector]) const {
    const int thread = static_cast<int>(threadIdx.x);
    float* const to = shared_ + thread / kWarp * 2 * kColumns + Engine::Column(piece);
#pragma unroll
    for (int i = 0; i < Engine::kVector; ++i) {
#pragma unroll
      for (int distance = Engine::kLanesAcross; distance < kWarp; distance *= 2) {
        first[i] += __shfl_xor_sync(kAllLanes, first[i], distance);
        second[i] += __shfl_xor_sync(kAllLanes, second[i], distance);
      }
      if (thread % kWarp < Engine::kLanesAcross) {
        to[i] = first[i];
        to[kColumns + i] = second[i];
      }
    }
  }

  // To partial (tiles, 2, columns), through finish(column of the tile, sums).
  template <class FinishColumn>
  __device__ __forceinline__ void Finish(const ProductPlace& place, double* partial,
                                         const FinishColumn& finish) const {
    __syncthreads();
    const int column = static_cast<int>(threadIdx.x);
    if (column >= kColumns || place.column + column >= place.columns) return;
    double sums[2] = {};
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) {
#pragma unroll
      for (int which = 0; which < 2; ++which) {
        sums[which] += static_cast<double>(shared_[(warp * 2 + which) * kColumns + column]);
      }
    }
    finish(column, sums);
    const std::int64_t tile = place.row / kProductRows;
    double* const to = partial + tile * 2 * place.columns + place.column + column;
    to[0] = sums[0];
    to[place.columns] = sums[1];
  }

 private:
  float* shared_;
};

// Stores the results as they are, with the sums of them and of their squares. f32 sums are those of
// distances from the tile's first row, so that a mean far from zero costs no accuracy.
template <class T>
struct StoreWithMoments {
  T* data;  // (rows, columns)
  bool wide;
  double* partial;

  template <class Engine, int kPieces>
  __device__ __forceinline__ void Run(const Engine& engine, const ProductPlace& place,
                                      float* shared) const {
    constexpr int V = Engine::kVector;
    using Sums = ColumnSums<Engine, kPieces>;
    float* const pivots = shared;
    const Sums sums(shared + Sums::kColumns);
    if (Engine::Row(0) == 0) {
#pragma unroll
      for (int piece = 0; piece < kPieces; ++piece) {
#pragma unroll
        for (int i = 0; i < V; ++i) {
          pivots[Engine::Column(piece) + i] = Stored(engine.Get(0, piece, i));
        }
      }
    }
    __syncthreads();
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
      const int column = place.column + Engine::Column(piece);
      float distances[V] = {}, squares[V] = {};
#pragma unroll
      for (int r = 0; r < Engine::kRows; ++r) {
        const std::int64_t row = place.row + Engine::Row(r);
        if (row >= place.rows) continue;
        float values[V];
#pragma unroll
        for (int i = 0; i < V; ++i) {
          values[i] = Stored(engine.Get(r, piece, i));
          const float distance = values[i] - pivots[Engine::Column(piece) + i];
          distances[i] += distance;
          squares[i] = fmaf(distance, distance, squares[i]);
        }
        StoreRow<T, V>(data + row * place.columns + column, values, place.columns - column, wide);
      }
      sums.Put(piece, distances, squares);
    }
    const std::int64_t left = place.rows - place.row;
    const double rows = left < kProductRows ? static_cast<double>(left) : double{kProductRows};
    sums.Finish(place, partial, [&](int column, double* of) {
      MoveMoments(static_cast<double>(pivots[column]), rows, of[0], of[1]);
    });
  }

 private:
  static __device__ __forceinline__ float Stored(float value) {
    return ToFloat(FromFloat<T>(value));
  }
};

// The results are the gradient of a batch norm's activated output: stores what the activation lets
// through, g, with the sums of g and of g * (x - mean), x being what the norm has read.
template <class T>
struct StorePassedGradient {
  T* data;     // (rows, columns)
  const T* x;  // (rows, columns)
  bool wide;   // of both
  NormParameters norm;
  double* partial;

  template <class Engine, int kPieces>
  __device__ __forceinline__ void Run(const Engine& engine, const ProductPlace& place,
                                      float* shared) const {
    constexpr int V = Engine::kVector;
    using Sums = ColumnSums<Engine, kPieces>;
    float* const table = shared;  // (3, columns of the tile)
    const Sums sums(shared + 3 * Sums::kColumns);
    for (int i = static_cast<int>(threadIdx.x); i < Sums::kColumns; i += kProductThreads) {
      float numbers[3] = {};
      if (place.column + i < place.columns) FillAffine(norm, place.column + i, numbers);
#pragma unroll
      for (int which = 0; which < 3; ++which) table[which * Sums::kColumns + i] = numbers[which];
    }
    __syncthreads();
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
      const int column = place.column + Engine::Column(piece);
      float numbers[3][V];
#pragma unroll
      for (int which = 0; which < 3; ++which) {
#pragma unroll
        for (int i = 0; i < V; i += 4) {
          Vector<float, 4> some;
          some.Load(table + which * Sums::kColumns + Engine::Column(piece) + i);
#pragma unroll
          for (int j = 0; j < 4; ++j) numbers[which][i + j] = some.Get(j);
        }
      }
      float gradients[V] = {}, projections[V] = {};
#pragma unroll
      for (int r = 0; r < Engine::kRows; ++r) {
        const std::int64_t row = place.row + Engine::Row(r);
        if (row >= place.rows) continue;
        const std::int64_t at = row * place.columns + column;
        float values[V];
        LoadRow<T, V>(x + at, values, place.columns - column, wide);
#pragma unroll
        for (int i = 0; i < V; ++i) {
          const float distance = values[i] - numbers[0][i];
          const bool passes = NormPasses(distance, numbers[1][i], numbers[2][i], norm.activation);
          const float g = passes ? engine.Get(r, piece, i) : 0.0f;
          values[i] = ToFloat(FromFloat<T>(g));
          gradients[i] += values[i];
          projections[i] = fmaf(values[i], distance, projections[i]);
        }
        StoreRow<T, V>(data + at, values, place.columns - column, wide);
      }
      sums.Put(piece, gradients, projections);
    }
    sums.Finish(place, partial, [](int, double*) {});
  }
};

}  // namespace nasengine::cuda
