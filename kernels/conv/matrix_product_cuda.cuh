// Matrix products of ours, C[m, n] = sum over k of A[m, k] B[k, n] in f32 or, on tensor cores,
// bf16, both with f32 sums; operands in either order, transformed while they are read, results
// finished while they are in registers.
//
// A block computes 128 rows of C by 32 or 64 columns with four warps: tiles of A and B go round a
// ring in shared memory (_tile.cuh), each warp multiplies its 32 rows (_engine.cuh), and the
// epilogue stores them (_epilogue.cuh). Blocks of the same rows follow each other, so that A comes
// from memory once. The depth may be split, for products whose C is small: see _split.cuh.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/conv/matrix_product_cuda_engine.cuh"
#include "kernels/conv/matrix_product_cuda_epilogue.cuh"
#include "kernels/conv/matrix_product_cuda_tile.cuh"
#include "kernels/cuda/launch.h"

namespace nasengine::cuda {

// What a block needs of shared memory, in elements of T.
template <class A, class B, int kPieces>
struct ProductStorage {
  using T = typename A::Element;
  using LayoutA = TileLayout<T, kProductRows, A::kOrder>;
  using LayoutB = TileLayout<T, kPieces * kPiece, B::kOrder>;
  // Tiles under way and the one that is multiplied. What is transformed waits in registers besides.
  static constexpr int kStages = A::kChanges || B::kChanges ? 2 : 3;
  static constexpr int kStage = LayoutA::kElements + LayoutB::kElements;
  static constexpr int kRing = kStages * kStage;

  // Channels in the table of an operand of so many lines.
  template <class Operand>
  static __host__ __device__ int TableCount(std::int64_t depth, int lines) {
    if (Operand::kOrder == DepthOrder::kOuter) return lines;
    return static_cast<int>((depth + LayoutA::kDepth - 1) / LayoutA::kDepth * LayoutA::kDepth);
  }
  static std::size_t Bytes(const ProductShape& shape) {
    const int a = A::Transform::kTables * TableCount<A>(shape.depth, kProductRows);
    const int b = B::Transform::kTables * TableCount<B>(shape.depth, kPieces * kPiece);
    return kRing * sizeof(T) + static_cast<std::size_t>(a + b) * sizeof(float);
  }
};

// Blocks of a multiprocessor for which registers are spared: with one more, wide bf16 tiles spill,
// and so do operands that are made of two tensors.
template <class A, class B>
inline constexpr int kProductBlocks =
    A::Transform::kInputs + B::Transform::kInputs > 2 ? kBlocksAtOnce - 1 : kBlocksAtOnce;

// grid = (tiles of C, those of the same rows in sequence; splits of the depth)
template <class A, class B, class Epilogue, int kPieces>
__global__ void __launch_bounds__(kProductThreads, (kProductBlocks<A, B>))
    MatrixProduct(ProductShape shape, A a, B b, Epilogue epilogue) {
  using T = typename A::Element;
  using Storage = ProductStorage<A, B, kPieces>;
  constexpr int kStages = Storage::kStages;
  constexpr int kColumns = kPieces * kPiece;
  NAS_DYNAMIC_SHARED(T, ring);

  const int column_tiles = (shape.columns + kColumns - 1) / kColumns;
  const ProductPlace place{.row = std::int64_t{blockIdx.x / column_tiles} * kProductRows,
                           .rows = shape.rows,
                           .column = static_cast<int>(blockIdx.x % column_tiles) * kColumns,
                           .columns = shape.columns,
                           .split = static_cast<int>(blockIdx.y)};
  const std::int64_t first = place.split * shape.split_depth;
  const std::int64_t left = shape.depth - first;
  const int depth = static_cast<int>(left < shape.split_depth ? left : shape.split_depth);
  const std::int64_t rows_left = shape.rows - place.row;
  const TileRange range_a{
      .line = place.row,
      .depth = first,
      .lines = rows_left < kProductRows ? static_cast<int>(rows_left) : kProductRows,
      .depths = depth};
  const TileRange range_b{
      .line = place.column, .depth = first, .lines = shape.columns - place.column, .depths = depth};

  float* const table_a = reinterpret_cast<float*>(ring + Storage::kRing);
  const int count_a = Storage::template TableCount<A>(shape.depth, kProductRows);
  float* const table_b = table_a + A::Transform::kTables * count_a;
  const int count_b = Storage::template TableCount<B>(shape.depth, kColumns);
  FillTableOf(a, range_a, count_a, table_a);
  FillTableOf(b, range_b, count_b, table_b);
  if constexpr (A::kChanges || B::kChanges) __syncthreads();

  TileLoader<A, kProductRows> loader_a(a, range_a, table_a, count_a);
  TileLoader<B, kColumns> loader_b(b, range_b, table_b, count_b);
  const auto tile_a = [&](int stage) { return ring + stage * Storage::kStage; };
  const auto tile_b = [&](int stage) { return tile_a(stage) + Storage::LayoutA::kElements; };
  const auto fetch = [&](int stage) {
    loader_a.Fetch(tile_a(stage));
    loader_b.Fetch(tile_b(stage));
  };
  const auto store = [&](int stage) {
    loader_a.Store(tile_a(stage));
    loader_b.Store(tile_b(stage));
  };

  const int tiles = (depth + Storage::LayoutA::kDepth - 1) / Storage::LayoutA::kDepth;
#pragma unroll
  for (int stage = 0; stage < kStages - 1; ++stage) {
    if (stage < tiles) {
      fetch(stage);
      store(stage);
    }
    AsyncCommit();
  }
  ProductEngine<T, kPieces> engine;
  int now = 0, next = kStages - 1;
  for (int tile = 0; tile < tiles; ++tile) {
    AsyncWait<kStages - 2>();
    __syncthreads();  // this tile is there, and everyone has done with the one before
    const bool more = tile + kStages - 1 < tiles;
    if (more) fetch(next);
    AsyncCommit();
    engine.template Multiply<A::kOrder, B::kOrder>(tile_a(now), tile_b(now));
    if (more) store(next);
    now = now + 1 == kStages ? 0 : now + 1;
    next = next + 1 == kStages ? 0 : next + 1;
  }
  AsyncWait<0>();
  __syncthreads();
  epilogue.template Run<ProductEngine<T, kPieces>, kPieces>(engine, place,
                                                            reinterpret_cast<float*>(ring));
}

// How elements of an operand or result can be accessed whose rows of `across` elements, from the
// first of one to the first of the next, begin `pitch` apart.
template <class T>
Access AccessOf(const T* data, std::int64_t across, std::int64_t pitch) {
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const auto fits = [&](std::int64_t bytes) {
    const std::int64_t elements = bytes / static_cast<std::int64_t>(sizeof(T));
    return address % static_cast<std::uintptr_t>(bytes) == 0 && across % elements == 0 &&
           pitch % elements == 0;
  };
  if (fits(16)) return Access::kWide;
  return fits(4) ? Access::kWords : Access::kSingly;
}

template <int kPieces, class A, class B, class Epilogue>
void LaunchProduct(Context& context, const char* name, const ProductShape& shape, const A& a,
                   const B& b, const Epilogue& epilogue) {
  const std::int64_t tiles =
      DivideUp(shape.rows, kProductRows) * DivideUp(shape.columns, kPieces * kPiece);
  const std::int64_t splits = shape.split_depth == 0 ? 1 : DivideUp(shape.depth, shape.split_depth);
  Launch(context, name, &MatrixProduct<A, B, Epilogue, kPieces>,
         {.grid = dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(splits)),
          .block = dim3(kProductThreads),
          .shared_bytes = ProductStorage<A, B, kPieces>::Bytes(shape)},
         shape, a, b, epilogue);
}

template <class A, class B, class Epilogue>
void RunProduct(Context& context, const char* name, const ProductShape& shape, const A& a,
                const B& b, const Epilogue& epilogue) {
  if (ProductPieces(shape.columns) == 1) {
    LaunchProduct<1>(context, name, shape, a, b, epilogue);
  } else {
    LaunchProduct<2>(context, name, shape, a, b, epilogue);
  }
}

}  // namespace nasengine::cuda
