// Depthwise convolution on CUDA, backward-weights.
//   x (n, h, w, c)   dy (n, out_h, out_w, c)   partial (parts, K, K, c) f32   stride S
// A thread owns V channels of TW columns of dy and marches down a band of rows, as forward does;
// but the K x K sums stay in registers, and the R = ceil(K / S) rows of dy that a row of x meets
// are kept. Blocks walk their items in a fixed order and add up their threads in a fixed order.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/depthwise_conv_cuda_launch.h"
#include "kernels/conv/depthwise_conv_cuda_plan.h"
#include "kernels/conv/depthwise_conv_cuda_reader.cuh"
#include "kernels/cuda/sum_parts.h"

namespace nasengine::cuda {

// The march over one item. Which row of dy lies in which slot: see OpenRows in
// depthwise_conv_cuda_forward.cuh.
template <class T, int K, int S, int V, int TW>
struct WeightSums {
  static constexpr int kOpen = (K + S - 1) / S;
  static constexpr int kColumns = (TW - 1) * S + K;
  static constexpr bool kMoves = K > 3;
  static constexpr int kPeriod = kMoves ? S : kOpen * S;

  float sum[K][K][V];

  static __device__ __forceinline__ int Slot(int q, int age) {
    return kMoves ? age : (q / S + kOpen - age) % kOpen;
  }

  // Adds a row of x, the q-th of a period, times the rows of dy that it meets.
  __device__ __forceinline__ void Add(int q, const Vector<T, V>* x,
                                      const Vector<T, V> (&dy)[kOpen][TW]) {
#pragma unroll
    for (int age = 0; age < kOpen; ++age) {
      const int kh = q % S + age * S;
      if (kh >= K) continue;
#pragma unroll
      for (int t = 0; t < TW; ++t) {
#pragma unroll
        for (int v = 0; v < V; ++v) {
          const float g = dy[Slot(q, age)][t].Get(v);
#pragma unroll
          for (int kw = 0; kw < K; ++kw) {
            sum[kh][kw][v] = fmaf(x[t * S + kw].Get(v), g, sum[kh][kw][v]);
          }
        }
      }
    }
  }

  template <class InputX, class InputDy>
  __device__ __forceinline__ void AddItem(MarchReader<InputX, V>& x, MarchReader<InputDy, V>& dy,
                                          const MarchPlace& place, const MarchArgs& a) {
    using ReaderX = MarchReader<InputX, V>;
    using ReaderDy = MarchReader<InputDy, V>;
    const int h0 = place.first * S - a.pad;
    const int w0 = place.column * S - a.pad;
    const int total = (place.rows - 1) * S + K;
    x.MoveTo(PixelAt(place.image, h0, w0, a.in_h, a.in_w, a.channels) + place.channel);
    dy.MoveTo(PixelAt(place.image, place.first, place.column, a.out_h, a.out_w, a.channels) +
              place.channel);
    unsigned columns = 0;  // which the map has
#pragma unroll
    for (int i = 0; i < kColumns; ++i) {
      columns |= static_cast<unsigned>(Within(w0 + i, a.in_w)) << i;
    }
    const auto load_x = [&](typename ReaderX::Raw* row, int r) {
      const bool exists = r < total && Within(h0 + r, a.in_h);
      const auto from = x.RowAt(static_cast<std::int64_t>(r) * a.in_w * a.channels);
#pragma unroll
      for (int i = 0; i < kColumns; ++i) {
        row[i].Clear();
        if (exists && (columns >> i & 1) != 0) {
          ReaderX::Load(from, static_cast<std::int64_t>(i) * a.channels, row[i]);
        }
      }
    };
    const auto load_dy = [&](typename ReaderDy::Raw* row, int r) {
      const auto from = dy.RowAt(static_cast<std::int64_t>(r) * a.out_w * a.channels);
#pragma unroll
      for (int t = 0; t < TW; ++t) {
        row[t].Clear();
        if (r < place.rows && place.column + t < a.out_w) {
          ReaderDy::Load(from, static_cast<std::int64_t>(t) * a.channels, row[t]);
        }
      }
    };
    const auto make_dy = [&](const typename ReaderDy::Raw* raw, int r, Vector<T, V>* made) {
#pragma unroll
      for (int t = 0; t < TW; ++t) {
        made[t] = dy.Make(raw[t], r < place.rows && place.column + t < a.out_w);
      }
    };
    Vector<T, V> open[kOpen][TW];
    Vector<T, V> row[kColumns];
    typename ReaderX::Raw next[kColumns];
    typename ReaderDy::Raw next_dy[TW];
#pragma unroll
    for (int slot = 1; slot < kOpen; ++slot) {
#pragma unroll
      for (int t = 0; t < TW; ++t) open[slot][t].Clear();
    }
    const auto make_x = [&] {
#pragma unroll
      for (int i = 0; i < kColumns; ++i) row[i] = x.Make(next[i], (columns >> i & 1) != 0);
    };
    load_x(next, 0);
    load_dy(next_dy, 0);
    make_x();
    make_dy(next_dy, 0, open[0]);
#pragma unroll 1
    for (int base = 0; base < total; base += kPeriod) {
#pragma unroll
      for (int q = 0; q < kPeriod; ++q) {
        const int r = base + q;
        if (r < total) {
          load_x(next, r + 1);
          if ((q + 1) % S == 0) load_dy(next_dy, (r + 1) / S);
          if (Within(h0 + r, a.in_h)) Add(q, row, open);
          if ((q + 1) % S == 0) {
            Vector<T, V> opened[TW];
            make_dy(next_dy, (r + 1) / S, opened);
            Open((q + 1) % kPeriod, opened, open);
          }
          make_x();
        }
      }
    }
  }

 private:
  // Puts the row of dy that input row q meets first into its slot.
  static __device__ __forceinline__ void Open(int q, const Vector<T, V>* dy,
                                              Vector<T, V> (&open)[kOpen][TW]) {
#pragma unroll
    for (int t = 0; t < TW; ++t) {
      if (kMoves) {
#pragma unroll
        for (int age = kOpen - 1; age > 0; --age) open[age][t] = open[age - 1][t];
      }
      open[Slot(q, 0)][t] = dy[t];
    }
  }
};

// Adds the taps' sums of a block's threads up in a fixed order, into its part of partial (parts, K,
// K, channels). `strips` (images * strips, K, groups * V) may hold what threads still read.
template <int K, int V>
__device__ __forceinline__ void StoreTapSums(const float (&taps)[K][K][V], int chunk, int part,
                                             const MarchArgs& a, float* strips, float* partial) {
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  const int wide = a.groups * V;
  const int threads = static_cast<int>(blockDim.x * blockDim.y);
  const int thread = ty * static_cast<int>(blockDim.x) + tx;
#pragma unroll
  for (int kh = 0; kh < K; ++kh) {
    __syncthreads();
#pragma unroll
    for (int kw = 0; kw < K; ++kw) {
#pragma unroll
      for (int v = 0; v < V; ++v) {
        strips[(ty * K + kw) * wide + tx * V + v] = taps[kh][kw][v];
      }
    }
    __syncthreads();
    for (int i = thread; i < K * wide; i += threads) {
      float sum = 0.f;
      for (int strip = 0; strip < static_cast<int>(blockDim.y); ++strip) {
        sum += strips[strip * K * wide + i];
      }
      const int channel = chunk * wide + i % wide;
      if (channel < a.channels) {
        const std::int64_t tap = (static_cast<std::int64_t>(part) * K + kh) * K + i / wide;
        partial[tap * a.channels + channel] = sum;
      }
    }
  }
}

template <int K, int S, int V, int TW, class InputX, class InputDy>
__global__ void __launch_bounds__(kMostMarchThreads, 1)
    DepthwiseWeightSums(InputX x, InputDy dy, float* __restrict__ partial, MarchArgs a) {
  using T = typename InputX::T;
  NAS_DYNAMIC_SHARED(float, strips);  // (images, strips), K, (groups, V)
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  MarchPlace place;
  place.chunk = static_cast<int>(blockIdx.x) % a.chunks;
  place.channel = (place.chunk * a.groups + tx) * V;
  const int part = static_cast<int>(blockIdx.x) / a.chunks;
  const int items = a.all_images * a.bands * a.column_blocks;
  WeightSums<T, K, S, V, TW> sums = {};
  MarchReader<InputX, V> reader_x(x, place.channel, a.channels);
  MarchReader<InputDy, V> reader_dy(dy, place.channel, a.channels);
  for (int item = part * a.images + ty / a.strips; item < items; item += a.parts * a.images) {
    place.column = (item % a.column_blocks * a.strips + ty % a.strips) * TW;
    place.first = item / a.column_blocks % a.bands * a.rows;
    place.rows = Smaller(a.rows, a.out_h - place.first);
    place.image = item / a.column_blocks / a.bands;
    if (place.channel < a.channels && place.column < a.out_w) {
      sums.AddItem(reader_x, reader_dy, place, a);
    }
  }
  StoreTapSums<K, V>(sums.sum, place.chunk, part, a, strips, partial);
}

inline std::size_t WeightPartsBytes(const MarchMap& map, const MarchPlan& plan) {
  return static_cast<std::size_t>(plan.parts * map.taps * map.channels) * sizeof(float);
}

// Launches the kernel and adds up what its blocks leave in `partial`, of WeightPartsBytes.
template <int K, int S, class InputX, class InputDy>
void LaunchWeightSums(Context& context, const char* name, const MarchMap& map,
                      const MarchPlan& plan, const InputX& x, const InputDy& dy, float* partial,
                      bool accumulate, float* dw) {
  constexpr MarchTile kTile = WeightsTile(sizeof(typename InputX::T), K);
  const std::size_t shared_bytes =
      static_cast<std::size_t>(plan.threads() * kTile.vector * K) * sizeof(float);
  Launch(context, name, &DepthwiseWeightSums<K, S, kTile.vector, kTile.width, InputX, InputDy>,
         ShapeOf(map, plan, kTile, shared_bytes), x, dy, partial, ArgsOf(map, plan));
  SumParts(context, partial, plan.parts, map.taps * map.channels, accumulate, dw);
}

}  // namespace nasengine::cuda
