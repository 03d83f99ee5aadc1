// Both gradients of a depthwise convolution in one pass over what they share, for the fused MBConv.
//   d (n, out_h, out_w, c) of the result   a (n, h, w, c) the input   w (K, K, c)
//   written: the gradient of a, by an Output; partial (parts, K, K, c) f32, of w   stride S, pad K
//   / 2
// A thread owns V channels of TW units of a's map, S by S pixels, and goes down a band of rows of
// them. All pixels of a unit see the same window of d, kept in registers and moved down with the
// thread: each of its elements gives a term to a pixel's gradient and, times that pixel of a, to a
// tap's. Blocks walk their items as backward-weights does
// (depthwise_conv_cuda_backward_weights.cuh).
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "kernels/conv/depthwise_conv_cuda_backward_data.cuh"
#include "kernels/conv/depthwise_conv_cuda_backward_weights.cuh"
#include "kernels/conv/mbconv_cuda_plan.h"

namespace nasengine::cuda::mbconv {

template <int K, int S, int V, int TW, class D, class A>
struct WindowGradients {
  using T = typename D::T;
  static constexpr int kWindow = S == 1 ? K : K / 2 + 1;
  static constexpr int kColumns = TW + kWindow - 1;

  float taps[K][K][V];  // sums

  // Which of a unit's rows (or columns) meets tap k, and in which element of the window.
  static constexpr __device__ __forceinline__ int Parity(int k) {
    return S == 1 ? 0 : Stride2Parity(K, k);
  }
  static constexpr __device__ __forceinline__ int Element(int k) {
    return S == 1 ? K - 1 - k : Stride2WindowElement(K, Parity(k), k);
  }

  // The thread's units of one item. `own_taps`: w of its channels, taps `step` floats apart.
  template <class Writer>
  __device__ __forceinline__ void AddItem(MarchReader<D, V>& d, MarchReader<A, V>& a,
                                          Writer& writer, const MarchPlace& place,
                                          const MarchArgs& args, int height, int width,
                                          const float* own_taps, int step) {
    using ReaderD = MarchReader<D, V>;
    using ReaderA = MarchReader<A, V>;
    const int first_column = place.column - args.pad;
    d.MoveTo(PixelAt(place.image, place.first - args.pad, first_column, args.in_h, args.in_w,
                     args.channels) +
             place.channel);
    const std::int64_t pixel =
        PixelAt(place.image, S * place.first, S * place.column, height, width, args.channels) +
        place.channel;
    a.MoveTo(pixel);
    writer.MoveTo(pixel);
    // Row r of the band's windows.
    const auto load_d = [&](int r, typename ReaderD::Raw* raw) {
      const bool exists = Within(place.first - args.pad + r, args.in_h);
      const auto from = d.RowAt(static_cast<std::int64_t>(r) * args.in_w * args.channels);
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        raw[c].Clear();
        if (exists && Within(first_column + c, args.in_w)) {
          ReaderD::Load(from, static_cast<std::int64_t>(c) * args.channels, raw[c]);
        }
      }
    };
    const auto make_d = [&](int r, const typename ReaderD::Raw* raw, Vector<T, V>* row) {
      const bool exists = Within(place.first - args.pad + r, args.in_h);
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        row[c] = d.Make(raw[c], exists && Within(first_column + c, args.in_w));
      }
    };
    Vector<T, V> window[kWindow][kColumns];
    typename ReaderD::Raw next[kColumns];
#pragma unroll
    for (int r = 0; r < kWindow - 1; ++r) {
      load_d(r, next);
      make_d(r, next, window[r]);
    }
    load_d(kWindow - 1, next);
    const int columns = width - S * place.column;
#pragma unroll 1
    for (int i = 0; i < place.rows; ++i) {
      make_d(i + kWindow - 1, next, window[kWindow - 1]);
      if (i + 1 < place.rows) load_d(i + kWindow, next);
#pragma unroll
      for (int p = 0; p < S; ++p) {
        const int row = S * i + p;
        if (S * place.first + row < height) {
          const std::int64_t offset = static_cast<std::int64_t>(row) * width * args.channels;
          const auto from = a.RowAt(offset);
          typename ReaderA::Raw raw[S * TW];
#pragma unroll
          for (int t = 0; t < S * TW; ++t) {
            raw[t].Clear();
            if (t < columns) {
              ReaderA::Load(from, static_cast<std::int64_t>(t) * args.channels, raw[t]);
            }
          }
          float gradient[S * TW][V] = {};
          int at = 0;  // not to be known as the last row's: w would be kept in registers, and spill
          Opaque(at);
          AddGradient(p, window, own_taps + at, step, gradient);
          Vector<T, V> factor[S * TW];
#pragma unroll
          for (int t = 0; t < S * TW; ++t) factor[t] = a.Make(raw[t], t < columns);
          AddTaps(p, window, factor);
          writer.template Row<S * TW>(gradient, offset, columns, args.channels);
        }
      }
#pragma unroll
      for (int r = 0; r + 1 < kWindow; ++r) {
#pragma unroll
        for (int c = 0; c < kColumns; ++c) window[r][c] = window[r + 1][c];
      }
    }
  }

 private:
  // Calls body(kh, kw, window row, window column of unit 0, the unit's column) for every tap that
  // meets row p of a unit.
  template <class Body>
  static __device__ __forceinline__ void ForTaps(int p, const Body& body) {
#pragma unroll
    for (int kh = 0; kh < K; ++kh) {
      if (Parity(kh) != p) continue;
#pragma unroll
      for (int kw = 0; kw < K; ++kw) body(kh, kw, Element(kh), Element(kw), Parity(kw));
    }
  }

  static __device__ __forceinline__ void AddGradient(
      int p, const Vector<T, V> (&window)[kWindow][kColumns], const float* w, int step,
      float (&gradient)[S * TW][V]) {
    ForTaps(p, [&](int kh, int kw, int r, int c, int q) {
      Vector<float, V> tap;
      tap.Load(w + (kh * K + kw) * step);
#pragma unroll
      for (int t = 0; t < TW; ++t) {
#pragma unroll
        for (int v = 0; v < V; ++v) {
          gradient[S * t + q][v] =
              fmaf(window[r][t + c].Get(v), tap.Get(v), gradient[S * t + q][v]);
        }
      }
    });
  }

  __device__ __forceinline__ void AddTaps(int p, const Vector<T, V> (&window)[kWindow][kColumns],
                                          const Vector<T, V> (&factor)[S * TW]) {
    ForTaps(p, [&](int kh, int kw, int r, int c, int q) {
#pragma unroll
      for (int t = 0; t < TW; ++t) {
#pragma unroll
        for (int v = 0; v < V; ++v) {
          taps[kh][kw][v] =
              fmaf(window[r][t + c].Get(v), factor[S * t + q].Get(v), taps[kh][kw][v]);
        }
      }
    });
  }
};

// `height`, `width`: of a's map.
template <int K, int S, int V, int TW, class D, class A, class Output>
__global__ void __launch_bounds__(kMostMarchThreads, 1)
    DepthwiseGradients(D d, A a, const typename D::T* __restrict__ w, Output output,
                       float* __restrict__ partial, MarchArgs args, int height, int width) {
  NAS_DYNAMIC_SHARED(float, shared);  // (K, K, groups, V); then (images, strips), K, (groups, V)
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  MarchPlace place;
  place.chunk = static_cast<int>(blockIdx.x) % args.chunks;
  place.channel = (place.chunk * args.groups + tx) * V;
  const int wide = args.groups * V;
  LoadTaps(w, K * K, wide, place.chunk, args, shared);
  __syncthreads();
  MarchReader<D, V> reader_d(d, place.channel, args.channels);
  MarchReader<A, V> reader_a(a, place.channel, args.channels);
  typename Output::template Writer<V> writer(output, place.channel, args.channels);
  WindowGradients<K, S, V, TW, D, A> sums = {};
  const int part = static_cast<int>(blockIdx.x) / args.chunks;
  const int items = args.all_images * args.bands * args.column_blocks;
  for (int item = part * args.images + ty / args.strips; item < items;
       item += args.parts * args.images) {
    place.column = (item % args.column_blocks * args.strips + ty % args.strips) * TW;
    place.first = item / args.column_blocks % args.bands * args.rows;
    place.rows = Smaller(args.rows, args.out_h - place.first);
    place.image = item / args.column_blocks / args.bands;
    if (place.channel < args.channels && place.column < args.out_w) {
      sums.AddItem(reader_d, reader_a, writer, place, args, height, width, shared + tx * V, wide);
    }
  }
  StoreTapSums<K, V>(sums.taps, place.chunk, part, args, shared, partial);
  writer.Finish(place, args, reinterpret_cast<double*>(shared));
}

// Launches the kernel for a plan of units, and adds up the sums of taps that its blocks leave in
// `partial`, of WeightPartsBytes.
template <int K, int S, class D, class A, class Output>
void LaunchGradients(Context& context, const char* name, const MarchMap& map, const MarchPlan& plan,
                     int height, int width, const D& d, const A& a, const typename D::T* w,
                     const Output& output, float* partial, bool accumulate, float* dw) {
  constexpr MarchTile kTile = GradientsTile(sizeof(typename D::T), K, S);
  const auto values = static_cast<std::size_t>(plan.threads() * kTile.vector);
  const std::size_t shared_bytes =
      std::max({TapBytes(map, plan), values * K * sizeof(float), values * sizeof(double)});
  Launch(context, name, &DepthwiseGradients<K, S, kTile.vector, kTile.width, D, A, Output>,
         ShapeOf(map, plan, shared_bytes), d, a, w, output, partial, ArgsOf(map, plan), height,
         width);
  cuda::SumParts(context, partial, plan.parts, map.taps * map.channels, accumulate, dw);
}

}  // namespace nasengine::cuda::mbconv
