// Depthwise convolution on CUDA, backward-data of stride 2 and pad K / 2.
//   dy (n, in_h, in_w, c)   w (K, K, c)   dx (n, h, w, c)
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "kernels/conv/depthwise_conv_cuda_launch.h"
#include "kernels/conv/depthwise_conv_cuda_plan.h"
#include "kernels/conv/depthwise_conv_cuda_reader.cuh"
#include "kernels/conv/depthwise_conv_cuda_writer.cuh"

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
template <int K, int V, int TW, class Input, class Output>
__global__ void __launch_bounds__(kMarchBounds, 1)
    DepthwiseStride2Gradient(Input dy, const typename Input::T* __restrict__ w, Output dx,
                             MarchArgs a, int height, int width) {
  using T = typename Input::T;
  using Reader = MarchReader<Input, V>;
  constexpr int kWindow = K / 2 + 1;
  constexpr int kColumns = TW + kWindow - 1;
  NAS_DYNAMIC_SHARED(float, taps);  // (K, K, groups, V)
  const MarchPlace place = PlaceOf<V, TW>(a);
  const int wide = a.groups * V;
  LoadTaps(w, K * K, wide, place.chunk, a, taps);
  __syncthreads();
  typename Output::template Writer<V> writer(dx, place.channel, a.channels);
  const int lane = static_cast<int>(threadIdx.x) * V;
  const int first = place.inside ? place.first : 0;
  const int end = place.inside ? place.first + place.rows : 0;
  const Reader reader(dy, place.channel, a.channels);
  for (int i = first; i < end; ++i) {
    Vector<T, V> window[kWindow][kColumns];
#pragma unroll
    for (int r = 0; r < kWindow; ++r) {
      const int row = i - a.pad + r;
      const auto from =
          reader.RowAt(PixelAt(place.image, row, place.column - a.pad, a.in_h, a.in_w, a.channels) +
                       place.channel);
      typename Reader::Raw raw[kColumns];
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        raw[c].Clear();
        if (Within(row, a.in_h) && Within(place.column - a.pad + c, a.in_w)) {
          Reader::Load(from, static_cast<std::int64_t>(c) * a.channels, raw[c]);
        }
      }
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        window[r][c] =
            reader.Make(raw[c], Within(row, a.in_h) && Within(place.column - a.pad + c, a.in_w));
      }
    }
    float sum[2][2 * TW][V] = {};
    int at = lane;  // not to be known as the last row's: taps would be kept in registers, and spill
    Opaque(at);
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
      if (2 * i + p < height) {
        writer.template Row<2 * TW>(
            sum[p],
            PixelAt(place.image, 2 * i + p, 2 * place.column, height, width, a.channels) +
                place.channel,
            width - 2 * place.column, a.channels);
      }
    }
  }
  writer.Finish(place, a, reinterpret_cast<double*>(taps));
}

// Launches the kernel for K of a map of units, with whatever reads and writes it.
template <int K, class Input, class Output>
void LaunchStride2Gradient(Context& context, const char* name, const MarchMap& map,
                           const MarchPlan& plan, int height, int width, const Input& dy,
                           const typename Input::T* w, const Output& dx) {
  constexpr MarchTile kTile = Stride2GradientTile(K);
  const std::size_t sums =
      Output::kSums ? static_cast<std::size_t>(plan.threads() * kTile.vector) * sizeof(double) : 0;
  Launch(context, name, &DepthwiseStride2Gradient<K, kTile.vector, kTile.width, Input, Output>,
         ShapeOf(map, plan, kTile, std::max(TapBytes(map, plan), sums)), dy, w, dx,
         ArgsOf(map, plan), height, width);
}

}  // namespace nasengine::cuda
