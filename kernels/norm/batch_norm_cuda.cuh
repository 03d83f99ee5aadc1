// Batch normalisation over the rows of (rows, c): sums of channels, what is made of them, and the
// passes that use it.
//
// A block is `lanes` rows of `width` threads, each with V neighbouring channels that it keeps while
// it strides down the rows. Sums stay in f32 over kNearRows rows and go on in f64: squares of
// values on a coarse grid round down more often than up, the more the larger their sum.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/norm/batch_norm_apply_cuda.cuh"
#include "kernels/norm/batch_norm_cuda_plan.h"

namespace nasengine::cuda {

// Rows of a thread whose sums stay in f32.
inline constexpr int kNearRows = 16;

// grid = (pieces of `width` threads across the channels, blocks down the rows)
struct NormShape {
  std::int64_t rows;
  std::int64_t c;
  int width;
  int lanes;
};

// Where a thread is.
template <int V>
struct NormPlace {
  int lane;
  int column;            // of the piece, in channels
  std::int64_t channel;  // the first of V
  bool active;           // has channels
  std::int64_t row;      // its first
  std::int64_t step;     // rows to its next

  __device__ __forceinline__ explicit NormPlace(const NormShape& shape) {
    const int thread = static_cast<int>(threadIdx.x);
    lane = thread / shape.width;
    column = thread % shape.width * V;
    channel = std::int64_t{blockIdx.x} * shape.width * V + column;
    active = channel < shape.c;
    row = std::int64_t{blockIdx.y} * shape.lanes + lane;
    step = std::int64_t{gridDim.y} * shape.lanes;
  }
};

// Adds `values` up over the lanes of a block; lane 0 gets the sums. `shared` (V, threads).
template <int V>
__device__ __forceinline__ void SumOverLanes(double (&values)[V], double* shared, int width,
                                             int lanes) {
  const int threads = width * lanes;
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread / width;
#pragma unroll
  for (int v = 0; v < V; ++v) shared[v * threads + thread] = values[v];
  __syncthreads();
  for (int left = lanes; left > 1;) {
    const int half = (left + 1) / 2;
    if (lane + half < left) {
#pragma unroll
      for (int v = 0; v < V; ++v) {
        shared[v * threads + thread] += shared[v * threads + thread + half * width];
      }
    }
    __syncthreads();
    left = half;
  }
  if (lane == 0) {
#pragma unroll
    for (int v = 0; v < V; ++v) values[v] = shared[v * threads + thread];
  }
}

// Walks down a thread's rows, kNormRows at a time: load(where the row begins, u) for each, then
// visit(the same), and `flush` after kNearRows rows at most.
template <class Load, class Visit, class Flush>
__device__ __forceinline__ void ForRows(const NormShape& shape, std::int64_t row, std::int64_t step,
                                        const Load& load, const Visit& visit, const Flush& flush) {
  const std::int64_t stride = step * shape.c;
  std::int64_t at = row * shape.c;
  while (row < shape.rows) {
#pragma unroll 1
    for (int near = 0; near < kNearRows && row < shape.rows; near += kNormRows) {
#pragma unroll
      for (int u = 0; u < kNormRows; ++u) {
        if (row + u * step < shape.rows) load(at + u * stride, u);
      }
#pragma unroll
      for (int u = 0; u < kNormRows; ++u) {
        if (row + u * step < shape.rows) visit(at + u * stride, u);
      }
      row += kNormRows * step;
      at += kNormRows * stride;
    }
    flush();
  }
}

// Adds f32 sums of V channels to f64 ones and starts them again.
template <int V>
struct NormSums {
  float near[2][V];
  double far[2][V];

  __device__ __forceinline__ NormSums() {
#pragma unroll
    for (int v = 0; v < V; ++v) {
      near[0][v] = near[1][v] = 0;
      far[0][v] = far[1][v] = 0;
    }
  }
  __device__ __forceinline__ void Flush() {
#pragma unroll
    for (int v = 0; v < V; ++v) {
#pragma unroll
      for (int which = 0; which < 2; ++which) {
        far[which][v] += static_cast<double>(near[which][v]);
        near[which][v] = 0;
      }
    }
  }
  // To partial (blocks, 2, c). `shared` as of SumOverLanes.
  __device__ __forceinline__ void Store(const NormShape& shape, const NormPlace<V>& place,
                                        double* shared, double* partial) {
    SumOverLanes<V>(far[0], shared, shape.width, shape.lanes);
    SumOverLanes<V>(far[1], shared, shape.width, shape.lanes);
    if (place.lane != 0 || !place.active) return;
    double* to = partial + std::int64_t{blockIdx.y} * 2 * shape.c + place.channel;
#pragma unroll
    for (int v = 0; v < V; ++v) {
      to[v] = far[0][v];
      to[shape.c + v] = far[1][v];
    }
  }
};

// The mean of four rows: near enough to that of all for sums of distances to keep their accuracy.
template <class T, int V>
__device__ __forceinline__ void GuessMean(const T* x, const NormShape& shape, float (&guess)[V]) {
  constexpr int kSamples = 4;
  Vector<T, V> rows[kSamples];
#pragma unroll
  for (int i = 0; i < kSamples; ++i) {
    rows[i].LoadReadOnly(x + shape.rows * i / kSamples * shape.c);
  }
#pragma unroll
  for (int v = 0; v < V; ++v) {
    guess[v] = ((rows[0].Get(v) + rows[1].Get(v)) + (rows[2].Get(v) + rows[3].Get(v))) * 0.25f;
  }
}

// partial = sums of x - shift and of its square; shift (c), the same in all blocks. rows >= 1.
template <class T, int V>
__global__ void __launch_bounds__(kNormThreads, V > 4 ? 2 : 3)
    NormStatistics(const T* __restrict__ x, NormShape shape, float* __restrict__ shift,
                   double* __restrict__ partial) {
  NAS_DYNAMIC_SHARED(double, shared);
  const NormPlace<V> place(shape);
  NormSums<V> sums;
  if (place.active) {
    x += place.channel;
    float guess[V];
    GuessMean<T, V>(x, shape, guess);
    if (blockIdx.y == 0 && place.lane == 0) {
#pragma unroll
      for (int v = 0; v < V; ++v) shift[place.channel + v] = guess[v];
    }
    Vector<T, V> values[kNormRows];
    ForRows(
        shape, place.row, place.step,
        [&](std::int64_t at, int u) { values[u].LoadReadOnly(x + at); },
        [&](std::int64_t, int u) {
#pragma unroll
          for (int v = 0; v < V; ++v) {
            const float distance = values[u].Get(v) - guess[v];
            sums.near[0][v] += distance;
            sums.near[1][v] = fmaf(distance, distance, sums.near[1][v]);
          }
        },
        [&] { sums.Flush(); });
  }
  sums.Store(shape, place, shared, partial);
}

// A block's channels of up to kTables tables in shared memory, (kTables, width * V), from where a
// thread takes its own: read from global memory V at a time, they would cost as much as rows.
template <int V, int kTables>
struct ChannelTables {
  float values[kTables][V];

  // fill(channel, to): to[0], to[1] ... = the channel's numbers.
  template <class Fill>
  __device__ __forceinline__ ChannelTables(const NormShape& shape, const NormPlace<V>& place,
                                           float* shared, const Fill& fill) {
    const int channels = shape.width * V;
    const std::int64_t first = std::int64_t{blockIdx.x} * channels;
    for (int i = static_cast<int>(threadIdx.x); i < channels; i += static_cast<int>(blockDim.x)) {
      float numbers[kTables] = {};
      if (first + i < shape.c) fill(first + i, numbers);
#pragma unroll
      for (int table = 0; table < kTables; ++table) shared[table * channels + i] = numbers[table];
    }
    __syncthreads();
    constexpr int kStep = V < 4 ? V : 4;
#pragma unroll
    for (int table = 0; table < kTables; ++table) {
#pragma unroll
      for (int v = 0; v < V; v += kStep) {
        Vector<float, kStep> some;
        some.Load(shared + table * channels + place.column + v);
#pragma unroll
        for (int i = 0; i < kStep; ++i) values[table][v + i] = some.Get(i);
      }
    }
  }
};

// y = activation(gamma * (x - mean) * inv_std + beta). y may be x. Addresses are opaque here and
// below, or nvcc 13.0 cuts accesses of 16 bytes up for sm_80 and sm_90a.
template <class T, int V>
__global__ void __launch_bounds__(kNormThreads)
    NormApply(const T* x, NormShape shape, NormParameters parameters, T* y) {
  NAS_DYNAMIC_SHARED(float, shared);
  const NormPlace<V> place(shape);
  const ChannelTables<V, 3> tables(shape, place, shared, [&](std::int64_t channel, float* to) {
    FillAffine(parameters, channel, to);
  });
  const float(&mean)[V] = tables.values[0];
  const float(&scale)[V] = tables.values[1];
  const float(&beta)[V] = tables.values[2];
  if (!place.active) return;
  x += place.channel;
  y += place.channel;
  Vector<T, V> values[kNormRows];
  ForRows(
      shape, place.row, place.step,
      [&](std::int64_t at, int u) {
        const T* from = x + at;
        Opaque(from);
        values[u].Load(from);
      },
      [&](std::int64_t at, int u) {
        float results[V];
#pragma unroll
        for (int v = 0; v < V; ++v) {
          results[v] = Activate(NormValue(values[u].Get(v) - mean[v], scale[v], beta[v]),
                                parameters.activation);
        }
        values[u].Set(results);
        T* to = y + at;
        Opaque(to);
        values[u].Store(to);
      },
      [] {});
}

// partial = sums of g and of g * (x - mean), g being dy where the activation passes it.
template <class T, int V>
__global__ void __launch_bounds__(kNormThreads)
    NormGradientSums(const T* __restrict__ x, const T* __restrict__ dy, NormShape shape,
                     NormParameters parameters, double* __restrict__ partial) {
  NAS_DYNAMIC_SHARED(double, shared);
  const NormPlace<V> place(shape);
  const ChannelTables<V, 3> tables(
      shape, place, reinterpret_cast<float*>(shared),
      [&](std::int64_t channel, float* to) { FillAffine(parameters, channel, to); });
  const float(&mean)[V] = tables.values[0];
  const float(&scale)[V] = tables.values[1];
  const float(&beta)[V] = tables.values[2];
  NormSums<V> sums;
  if (place.active) {
    x += place.channel;
    dy += place.channel;
    Vector<T, V> values[kNormRows], gradients[kNormRows];
    ForRows(
        shape, place.row, place.step,
        [&](std::int64_t at, int u) {
          values[u].LoadReadOnly(x + at);
          gradients[u].LoadReadOnly(dy + at);
        },
        [&](std::int64_t, int u) {
#pragma unroll
          for (int v = 0; v < V; ++v) {
            const float distance = values[u].Get(v) - mean[v];
            const bool passes = NormPasses(distance, scale[v], beta[v], parameters.activation);
            const float g = passes ? gradients[u].Get(v) : 0.0f;
            sums.near[0][v] += g;
            sums.near[1][v] = fmaf(g, distance, sums.near[1][v]);
          }
        },
        [&] { sums.Flush(); });
  }
  __syncthreads();  // the tables have been read
  sums.Store(shape, place, shared, partial);
}

// dx = gamma * inv_std * g + slope * (x - mean) + offset. dx may be dy.
template <class T, int V>
__global__ void __launch_bounds__(kNormThreads)
    NormInputGradient(const T* x, const T* dy, NormShape shape, NormParameters parameters,
                      const float* __restrict__ slopes, const float* __restrict__ offsets, T* dx) {
  NAS_DYNAMIC_SHARED(float, shared);
  const NormPlace<V> place(shape);
  const ChannelTables<V, 5> tables(shape, place, shared, [&](std::int64_t channel, float* to) {
    FillAffine(parameters, channel, to);
    to[3] = slopes[channel];
    to[4] = offsets[channel];
  });
  const float(&mean)[V] = tables.values[0];
  const float(&scale)[V] = tables.values[1];
  const float(&beta)[V] = tables.values[2];
  const float(&slope)[V] = tables.values[3];
  const float(&offset)[V] = tables.values[4];
  if (!place.active) return;
  x += place.channel;
  dy += place.channel;
  dx += place.channel;
  Vector<T, V> values[kNormRows], gradients[kNormRows];
  ForRows(
      shape, place.row, place.step,
      [&](std::int64_t at, int u) {
        const T* from = x + at;
        const T* from_dy = dy + at;
        Opaque(from);
        Opaque(from_dy);
        values[u].Load(from);
        gradients[u].Load(from_dy);
      },
      [&](std::int64_t at, int u) {
        float results[V];
#pragma unroll
        for (int v = 0; v < V; ++v) {
          const float distance = values[u].Get(v) - mean[v];
          const bool passes = NormPasses(distance, scale[v], beta[v], parameters.activation);
          const float g = passes ? gradients[u].Get(v) : 0.0f;
          results[v] = fmaf(g, scale[v], fmaf(distance, slope[v], offset[v]));
        }
        values[u].Set(results);
        T* to = dx + at;
        Opaque(to);
        values[u].Store(to);
      },
      [] {});
}

// Leaves in the first gridDim.y parts of partial (blocks, 2, c) the sums of all: part y that of
// parts y, y + gridDim.y and so on, which no other block reads. For sums of so many blocks that
// FinaliseSums, with few channels, would have too few threads to read them.
inline constexpr int kFoldThreads = 128;
template <class Sum>
__global__ void __launch_bounds__(kFoldThreads)
    FoldSums(Sum* __restrict__ partial, std::int64_t blocks, std::int64_t c) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kFoldThreads + threadIdx.x;
  if (i >= 2 * c) return;
  double sum = 0;
#pragma unroll 4
  for (std::int64_t block = blockIdx.y; block < blocks; block += gridDim.y) {
    sum += static_cast<double>(partial[block * 2 * c + i]);
  }
  partial[blockIdx.y * 2 * c + i] = static_cast<Sum>(sum);
}

// A block adds up kFinishChannels channels of partial (blocks, 2, c) and hands each with its two
// sums to `finish`.
inline constexpr int kFinishChannels = 8;
inline constexpr int kFinishLanes = kNormThreads / kFinishChannels;
template <class Sum, class Finish>
__global__ void __launch_bounds__(kNormThreads)
    FinaliseSums(const Sum* __restrict__ partial, std::int64_t blocks, std::int64_t c,
                 Finish finish) {
  NAS_SHARED(double, shared, 2 * kNormThreads);
  const int lane = static_cast<int>(threadIdx.x) / kFinishChannels;
  const std::int64_t channel =
      std::int64_t{blockIdx.x} * kFinishChannels + threadIdx.x % kFinishChannels;
  double sums[2] = {};
  if (channel < c) {
#pragma unroll 4
    for (std::int64_t block = lane; block < blocks; block += kFinishLanes) {
      sums[0] += static_cast<double>(partial[block * 2 * c + channel]);
      sums[1] += static_cast<double>(partial[(block * 2 + 1) * c + channel]);
    }
  }
  SumOverLanes<2>(sums, shared, kFinishChannels, kFinishLanes);
  if (lane == 0 && channel < c) finish(channel, sums[0], sums[1]);
}

}  // namespace nasengine::cuda
