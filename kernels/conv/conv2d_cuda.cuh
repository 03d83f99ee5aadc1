// Dense convolution on CUDA, every geometry: all three directions are products of matrices that
// are never formed. One tiled product reads its factors through small functors that know the
// convolution.
//   x (n, h, w, c_in)   w (c_out, k, k, c_in)   y (n, out_h, out_w, c_out)
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

// ConvGeometry as a kernel takes it.
struct DenseGeometry {
  std::int64_t n = 0;
  int h = 0;
  int w = 0;
  int c_in = 0;
  int c_out = 0;
  int out_h = 0;
  int out_w = 0;
  int kernel = 0;
  int stride = 0;
  int pad = 0;
};

// A place in an image: of a pixel that a row or column of a factor belongs to.
struct DensePixel {
  std::int64_t image = 0;
  int h = 0;
  int w = 0;
  bool exists = false;
};

__device__ __forceinline__ DensePixel PixelOf(std::int64_t index, std::int64_t images, int height,
                                              int width) {
  const std::int64_t image = index / width / height;
  return {image, static_cast<int>(index / width % height), static_cast<int>(index % width),
          image < images};
}

// A tap of the kernel and a channel. `size` channels a tap.
struct DenseTap {
  int kh = 0;
  int kw = 0;
  int channel = 0;
  bool exists = false;
};

__device__ __forceinline__ DenseTap TapOf(std::int64_t index, int kernel, int size) {
  const int tap = static_cast<int>(index / size);
  return {tap / kernel, tap % kernel, static_cast<int>(index % size), tap < kernel * kernel};
}

// Factors: At(row, term) is an element, rows being what the result has, terms what is summed over.

// Windows of x: rows are pixels of y, terms taps of c_in channels.
template <class T>
struct XWindows {
  using Row = DensePixel;
  using Term = DenseTap;
  const T* x;
  DenseGeometry g;
  __device__ __forceinline__ Row RowOf(std::int64_t i) const {
    return PixelOf(i, g.n, g.out_h, g.out_w);
  }
  __device__ __forceinline__ Term TermOf(std::int64_t i) const {
    return TapOf(i, g.kernel, g.c_in);
  }
  __device__ __forceinline__ float At(const Row& row, const Term& term) const {
    const int h = row.h * g.stride - g.pad + term.kh;
    const int w = row.w * g.stride - g.pad + term.kw;
    if (!row.exists || !term.exists || h < 0 || h >= g.h || w < 0 || w >= g.w) return 0.f;
    return ToFloat(x[((row.image * g.h + h) * g.w + w) * g.c_in + term.channel]);
  }
};

// The same elements, rows being taps and terms pixels.
template <class T>
struct XTaps {
  using Row = DenseTap;
  using Term = DensePixel;
  XWindows<T> windows;
  __device__ __forceinline__ Row RowOf(std::int64_t i) const { return windows.TermOf(i); }
  __device__ __forceinline__ Term TermOf(std::int64_t i) const { return windows.RowOf(i); }
  __device__ __forceinline__ float At(const Row& row, const Term& term) const {
    return windows.At(term, row);
  }
};

// What of dy a pixel of x has gone into: rows are pixels of x, terms taps of c_out channels.
template <class T>
struct DyWindows {
  using Row = DensePixel;
  using Term = DenseTap;
  const T* dy;
  DenseGeometry g;
  __device__ __forceinline__ Row RowOf(std::int64_t i) const { return PixelOf(i, g.n, g.h, g.w); }
  __device__ __forceinline__ Term TermOf(std::int64_t i) const {
    return TapOf(i, g.kernel, g.c_out);
  }
  __device__ __forceinline__ float At(const Row& row, const Term& term) const {
    const int h = row.h + g.pad - term.kh;
    const int w = row.w + g.pad - term.kw;
    if (!row.exists || !term.exists || h < 0 || w < 0) return 0.f;
    if (h % g.stride != 0 || w % g.stride != 0) return 0.f;
    if (h / g.stride >= g.out_h || w / g.stride >= g.out_w) return 0.f;
    return ToFloat(dy[((row.image * g.out_h + h / g.stride) * g.out_w + w / g.stride) * g.c_out +
                      term.channel]);
  }
};

// A matrix in memory: At(row, term) = data[row * row_step + term * term_step].
template <class T>
struct DenseMatrix {
  using Row = std::int64_t;
  using Term = std::int64_t;
  const T* data;
  std::int64_t rows;
  std::int64_t terms;
  std::int64_t row_step;
  std::int64_t term_step;
  __device__ __forceinline__ Row RowOf(std::int64_t i) const { return i; }
  __device__ __forceinline__ Term TermOf(std::int64_t i) const { return i; }
  __device__ __forceinline__ float At(Row row, Term term) const {
    return row < rows && term < terms ? ToFloat(data[row * row_step + term * term_step]) : 0.f;
  }
};

// w for backward-data: rows are input channels, terms taps of c_out channels.
template <class T>
struct WeightTaps {
  using Row = std::int64_t;
  using Term = DenseTap;
  const T* w;
  DenseGeometry g;
  __device__ __forceinline__ Row RowOf(std::int64_t i) const { return i; }
  __device__ __forceinline__ Term TermOf(std::int64_t i) const {
    return TapOf(i, g.kernel, g.c_out);
  }
  __device__ __forceinline__ float At(Row row, const Term& term) const {
    if (row >= g.c_in || !term.exists) return 0.f;
    const std::int64_t tap = (std::int64_t{term.channel} * g.kernel + term.kh) * g.kernel + term.kw;
    return ToFloat(w[tap * g.c_in + row]);
  }
};

// result (rows, columns) row-major, with bias (columns) where there is one, and an activation.
template <class T>
struct StoreActivated {
  T* result;
  const float* bias;
  Activation activation;
  __device__ __forceinline__ void operator()(std::int64_t at, std::int64_t column,
                                             std::int64_t /*part*/, float sum) const {
    if (bias != nullptr) sum += bias[column];
    result[at] = FromFloat<T>(Activate(sum, activation));
  }
};

// partial (parts, rows, columns).
struct StorePartial {
  float* partial;
  std::int64_t elements;  // rows * columns
  __device__ __forceinline__ void operator()(std::int64_t at, std::int64_t /*column*/,
                                             std::int64_t part, float sum) const {
    partial[part * elements + at] = sum;
  }
};

struct ProductSizes {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t terms = 0;
  std::int64_t part_terms = 0;  // of a part, a multiple of kTiledTerms
  std::int64_t column_tiles = 0;
  std::int64_t row_tiles = 0;
};

inline constexpr int kTiledRows = 64;
inline constexpr int kTiledColumns = 32;
inline constexpr int kTiledTerms = 16;
inline constexpr int kTiledThreads = 128;
inline constexpr int kThreadTile = 4;  // rows and columns of a thread

// Loads kTiledTerms terms of kRows rows, from term `first` on, into tile (terms, rows): a
// thread's rows are the same every time, its term one of each tile.
template <int kRows, class Factor>
struct TermLoader {
  static constexpr int kStep = kTiledThreads / kTiledTerms;
  typename Factor::Row row[kRows / kStep];
  __device__ __forceinline__ TermLoader(const Factor& factor, std::int64_t first_row, int thread) {
#pragma unroll
    for (int i = 0; i < kRows / kStep; ++i) {
      row[i] = factor.RowOf(first_row + thread / kTiledTerms + i * kStep);
    }
  }
  __device__ __forceinline__ void Load(const Factor& factor, std::int64_t first, std::int64_t end,
                                       int thread, float* tile) const {
    const std::int64_t index = first + thread % kTiledTerms;
    const typename Factor::Term term = factor.TermOf(index);
    float* to = tile + thread % kTiledTerms * kRows + thread / kTiledTerms;
#pragma unroll
    for (int i = 0; i < kRows / kStep; ++i) {
      to[i * kStep] = index < end ? factor.At(row[i], term) : 0.f;
    }
  }
};

// store(row * columns + column, column, part, sum over the part's terms of a.At(row, term) *
// b.At(column, term)). Terms are added tile by tile, so that no f32 takes many small numbers.
template <class A, class B, class Store>
__global__ void __launch_bounds__(kTiledThreads)
    TiledProduct(A a, B b, Store store, ProductSizes sizes) {
  NAS_SHARED(float, a_tile, kTiledTerms* kTiledRows);
  NAS_SHARED(float, b_tile, kTiledTerms* kTiledColumns);
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t block = blockIdx.x;
  const std::int64_t column0 = block % sizes.column_tiles * kTiledColumns;
  const std::int64_t row0 = block / sizes.column_tiles % sizes.row_tiles * kTiledRows;
  const std::int64_t part = block / sizes.column_tiles / sizes.row_tiles;
  const std::int64_t past = (part + 1) * sizes.part_terms;
  const std::int64_t end = past < sizes.terms ? past : sizes.terms;
  const int tx = thread % (kTiledColumns / kThreadTile) * kThreadTile;
  const int ty = thread / (kTiledColumns / kThreadTile) * kThreadTile;
  const TermLoader<kTiledRows, A> load_a(a, row0, thread);
  const TermLoader<kTiledColumns, B> load_b(b, column0, thread);
  float sum[kThreadTile][kThreadTile] = {};
  for (std::int64_t first = part * sizes.part_terms; first < end; first += kTiledTerms) {
    __syncthreads();
    load_a.Load(a, first, end, thread, a_tile);
    load_b.Load(b, first, end, thread, b_tile);
    __syncthreads();
    float tile[kThreadTile][kThreadTile] = {};
#pragma unroll
    for (int k = 0; k < kTiledTerms; ++k) {
      Vector<float, kThreadTile> left;
      Vector<float, kThreadTile> right;
      left.Load(a_tile + k * kTiledRows + ty);
      right.Load(b_tile + k * kTiledColumns + tx);
#pragma unroll
      for (int i = 0; i < kThreadTile; ++i) {
#pragma unroll
        for (int j = 0; j < kThreadTile; ++j) {
          tile[i][j] = fmaf(left.Get(i), right.Get(j), tile[i][j]);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kThreadTile; ++i) {
#pragma unroll
      for (int j = 0; j < kThreadTile; ++j) sum[i][j] += tile[i][j];
    }
  }
#pragma unroll
  for (int i = 0; i < kThreadTile; ++i) {
#pragma unroll
    for (int j = 0; j < kThreadTile; ++j) {
      const std::int64_t row = row0 + ty + i;
      const std::int64_t column = column0 + tx + j;
      if (row < sizes.rows && column < sizes.columns) {
        store(row * sizes.columns + column, column, part, sum[i][j]);
      }
    }
  }
}

}  // namespace nasengine::cuda
