// Depthwise convolution on CUDA, backward-data of stride 2 and pad K / 2.
//   dy (n, in_h, in_w, c)   w (K, K, c)   dx (n, h, w, c)
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/depthwise_conv_cuda.cuh"
#include "kernels/conv/depthwise_conv_cuda_plan.h"

namespace nasengine::cuda {

// A unit is 2x2 pixels of dx, all of which see the same window of dy; which tap joins a pixel with
// an element of the window is known to the compiler. Along an axis, pixel 2 i + p takes tap k from
// element (2 i + p + K / 2 - k) / 2 of dy where that is whole: the one so far into the window.
__host__ __device__ constexpr int Stride2WindowElement(int kernel, int parity, int tap) {
  return (parity + kernel / 2 - tap + 2 * (kernel / 4)) / 2;
}
__host__ __device__ constexpr int Stride2Parity(int kernel, int tap) {
  return (tap + kernel / 2) % 2;
}

// `height`, `width`: of dx. A thread owns V channels of TW units and goes down a band, a row of
// units at a time.
template <class T, int K, int V, int TW>
__global__ void __launch_bounds__(kMostMarchThreads)
    DepthwiseStride2Gradient(const T* __restrict__ dy, const T* __restrict__ w, T* __restrict__ dx,
                             MarchArgs a, int height, int width) {
  constexpr int kWindow = K / 2 + 1;
  constexpr int kColumns = TW + kWindow - 1;
  NAS_DYNAMIC_SHARED(float, taps);  // (K, K, groups, V)
  const MarchPlace place = PlaceOf<V, TW>(a);
  const int wide = a.groups * V;
  LoadTaps(w, K * K, wide, place.chunk, a, taps);
  __syncthreads();
  if (!place.inside) return;  // past the last barrier
  const int lane = static_cast<int>(threadIdx.x) * V;
  for (int i = place.first; i < place.first + place.rows; ++i) {
    Vector<T, V> window[kWindow][kColumns];
#pragma unroll
    for (int r = 0; r < kWindow; ++r) {
      const int row = i - a.pad + r;
      const T* from = dy +
                      PixelAt(place.image, row, place.column - a.pad, a.in_h, a.in_w, a.channels) +
                      place.channel;
      Opaque(from);
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        window[r][c].Clear();
        if (Within(row, a.in_h) && Within(place.column - a.pad + c, a.in_w)) {
          window[r][c].LoadReadOnly(from + static_cast<std::int64_t>(c) * a.channels);
        }
      }
    }
    float sum[2][2 * TW][V] = {};
    int at = lane;  // not to be known as the last row's: taps would be kept in registers, and spill
    if (K > 3) Opaque(at);
#pragma unroll
    for (int kh = 0; kh < K; ++kh) {
#pragma unroll
      for (int kw = 0; kw < K; ++kw) {
        Vector<float, V> tap;
        tap.Load(taps + at + (kh * K + kw) * wide);
        const int p = Stride2Parity(K, kh);
        const int q = Stride2Parity(K, kw);
        const int r = Stride2WindowElement(K, p, kh);
#pragma unroll
        for (int t = 0; t < TW; ++t) {
          const int c = t + Stride2WindowElement(K, q, kw);
#pragma unroll
          for (int v = 0; v < V; ++v) {
            sum[p][2 * t + q][v] = fmaf(window[r][c].Get(v), tap.Get(v), sum[p][2 * t + q][v]);
          }
        }
      }
    }
#pragma unroll
    for (int p = 0; p < 2; ++p) {
      T* to = dx + PixelAt(place.image, 2 * i + p, 2 * place.column, height, width, a.channels) +
              place.channel;
      Opaque(to);
#pragma unroll
      for (int q = 0; q < 2 * TW; ++q) {
        Vector<T, V> packed;
        packed.Set(sum[p][q]);
        if (2 * i + p < height && 2 * place.column + q < width) {
          packed.Store(to + static_cast<std::int64_t>(q) * a.channels);
        }
      }
    }
  }
}

}  // namespace nasengine::cuda
