// What multiplies the tiles in shared memory: multiply-adds for f32, tensor cores for bf16. A warp
// has one piece of rows, all of a tile's columns and its part of the result in registers.
//
// Both engines take quads of lines from either operand, so that a thread's results are kRows rows,
// neighbours four by four, of kVector neighbouring columns a piece: 16 bytes of the stored type.
// Any order of depths is as good as another, as long as both operands have it.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/matrix_product_cuda_tile.cuh"

namespace nasengine::cuda {

template <class T, int kPieces>
class ProductEngine;

// A thread has 8 rows by 4 columns of each piece, and takes four depths at once.
template <int kPieces>
class ProductEngine<float, kPieces> {
 public:
  static constexpr int kRows = 8;
  static constexpr int kVector = 4;
  // Lanes with the same columns are those whose numbers differ by multiples of this.
  static constexpr int kLanesAcross = 8;

  __device__ __forceinline__ ProductEngine() {
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
#pragma unroll
      for (int column = 0; column < kVector * kPieces; ++column) sums_[row][column] = 0;
    }
  }

  static __device__ __forceinline__ int Row(int row) {
    return Warp() * kPiece + 4 * (Lane() / 8 + row / 4 * 4) + row % 4;
  }
  static __device__ __forceinline__ int Column(int piece) {
    return piece * kPiece + Lane() % 8 * 4;
  }
  __device__ __forceinline__ float Get(int row, int piece, int i) const {
    return sums_[row][piece * kVector + i];
  }

  template <DepthOrder kA, DepthOrder kB>
  __device__ __forceinline__ void Multiply(const float* a, const float* b) {
    using LayoutA = TileLayout<float, kProductRows, kA>;
    using LayoutB = TileLayout<float, kPieces * kPiece, kB>;
#pragma unroll 1
    for (int chunk = 0; chunk < LayoutA::kDepth / 4; ++chunk) {
      float rows[2][4][4];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        LoadQuad<LayoutA, kA>(a, Warp(), Lane() / 8 + half * 4, chunk, rows[half]);
      }
#pragma unroll
      for (int piece = 0; piece < kPieces; ++piece) {
        float columns[4][4];
        LoadQuad<LayoutB, kB>(b, piece, Lane() % 8, chunk, columns);
#pragma unroll
        for (int depth = 0; depth < 4; ++depth) {
#pragma unroll
          for (int row = 0; row < kRows; ++row) {
#pragma unroll
            for (int column = 0; column < 4; ++column) {
              float& sum = sums_[row][piece * kVector + column];
              sum = fmaf(rows[row / 4][row % 4][depth], columns[column][depth], sum);
            }
          }
        }
      }
    }
  }

 private:
  static __device__ __forceinline__ int Lane() { return static_cast<int>(threadIdx.x) % kWarp; }
  static __device__ __forceinline__ int Warp() { return static_cast<int>(threadIdx.x) / kWarp; }

  // to[line][depth] of four lines and the four depths of a chunk.
  template <class Layout, DepthOrder kOrder>
  static __device__ __forceinline__ void LoadQuad(const float* tile, int piece, int quad, int chunk,
                                                  float (&to)[4][4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      Vector<float, 4> vector;
      if constexpr (kOrder == DepthOrder::kInner) {
        vector.Load(tile + Layout::InSlot(piece * kPiece + 8 * i + quad, chunk));
      } else {
        vector.Load(tile + Layout::AtDepth(4 * chunk + i, piece * kPiece + 4 * quad));
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        (kOrder == DepthOrder::kInner ? to[i][j] : to[j][i]) = vector.Get(j);
      }
    }
  }

  float sums_[kRows][kVector * kPieces];
};

// With g = lane / 4 and t = lane % 4: rows 4g to 4g + 3 of the warp's piece are rows g and g + 8 of
// two products, columns 4g to 4g + 3 of a piece are column g of four, and depths 8t to 8t + 7 are
// what the lane contributes to two. So a lane's results of columns g = 2t and 2t + 1 are columns 8t
// to 8t + 7.
template <int kPieces>
class ProductEngine<BFloat16, kPieces> {
 public:
  static constexpr int kRows = 4;
  static constexpr int kVector = 8;
  static constexpr int kLanesAcross = 4;

  __device__ __forceinline__ ProductEngine() {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int j = 0; j < 4 * kPieces; ++j) {
#pragma unroll
        for (int k = 0; k < 4; ++k) sums_[i][j][k] = 0;
      }
    }
  }

  static __device__ __forceinline__ int Row(int row) { return Warp() * kPiece + G() * 4 + row; }
  static __device__ __forceinline__ int Column(int piece) { return piece * kPiece + T() * 8; }
  __device__ __forceinline__ float Get(int row, int piece, int i) const {
    return sums_[row / 2][piece * 4 + i % 4][row % 2 * 2 + i / 4];
  }

  template <DepthOrder kA, DepthOrder kB>
  __device__ __forceinline__ void Multiply(const BFloat16* a, const BFloat16* b) {
    using LayoutA = TileLayout<BFloat16, kProductRows, kA>;
    using LayoutB = TileLayout<BFloat16, kPieces * kPiece, kB>;
    std::uint32_t rows[4][4];
    LoadQuad<LayoutA, kA>(a, Warp(), rows);
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
      std::uint32_t columns[4][4];
      LoadQuad<LayoutB, kB>(b, piece, columns);
#pragma unroll
      for (int step = 0; step < 4; step += 2) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const std::uint32_t left[4] = {rows[2 * i][step], rows[2 * i + 1][step],
                                         rows[2 * i][step + 1], rows[2 * i + 1][step + 1]};
#pragma unroll
          for (int j = 0; j < 4; ++j) {
            const std::uint32_t right[2] = {columns[j][step], columns[j][step + 1]};
            TensorCoreProduct(sums_[i][piece * 4 + j], left, right);
          }
        }
      }
    }
  }

 private:
  static __device__ __forceinline__ int Warp() { return static_cast<int>(threadIdx.x) / kWarp; }
  static __device__ __forceinline__ int G() { return static_cast<int>(threadIdx.x) % kWarp / 4; }
  static __device__ __forceinline__ int T() { return static_cast<int>(threadIdx.x) % 4; }

  // to[line][word]: depths 8t + 2 * word and the next of lines 4g to 4g + 3.
  template <class Layout, DepthOrder kOrder>
  static __device__ __forceinline__ void LoadQuad(const BFloat16* tile, int piece,
                                                  std::uint32_t (&to)[4][4]) {
    if constexpr (kOrder == DepthOrder::kInner) {
#pragma unroll
      for (int line = 0; line < 4; ++line) {
        Vector<BFloat16, 8> depths;
        depths.Load(tile + Layout::InSlot(piece * kPiece + 8 * line + G(), T()));
#pragma unroll
        for (int word = 0; word < 4; ++word) to[line][word] = depths.word[word];
      }
    } else {
#pragma unroll
      for (int word = 0; word < 4; ++word) {
        Vector<BFloat16, 4> first, second;
        const int depth = 8 * T() + 2 * word;
        first.Load(tile + Layout::AtDepth(depth, piece * kPiece + 4 * G()));
        second.Load(tile + Layout::AtDepth(depth + 1, piece * kPiece + 4 * G()));
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          to[2 * i][word] = (first.word[i] & 0xffffu) | (second.word[i] << 16);
          to[2 * i + 1][word] = (first.word[i] >> 16) | (second.word[i] & 0xffff0000u);
        }
      }
    }
  }

  float sums_[2][4 * kPieces][4];
};

}  // namespace nasengine::cuda
