// Both gradients of a depthwise convolution in one pass over what they share, for the fused MBConv.
//   d (n, out_h, out_w, c) of the result   a (n, h, w, c) the input   w (K, K, c)
//   out: the gradient of a; partial (parts, K, K, c) f32, of w   stride S, pad K / 2
// Where a is a normalised tensor x, out is what its norm's activation passes, with the sums over
// rows that the norm's own gradient asks for, (parts, 2, c) in f64.
//
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

namespace nasengine::cuda {

// The numbers of both maps' channels in shared memory, (tables, groups * V) each. They are loaded
// anew for every row: kept, they would take the registers of the sums of taps.
template <class D, class A>
struct GradientTables {
  static constexpr int kTables = D::Transform::kTables + A::Transform::kTables;
  float* of_d;
  float* of_a;

  __device__ __forceinline__ GradientTables(float* shared, int wide)
      : of_d(shared), of_a(shared + D::Transform::kTables * wide) {}

  // By the threads of threadIdx.y 0.
  template <int V>
  __device__ __forceinline__ void Fill(const D& d, const A& a, int channel, const MarchArgs& args) {
    const int wide = args.groups * V;
    const int lane = static_cast<int>(threadIdx.x) * V;
    if constexpr (D::kChanges) {
      MarchNumbers<D, V> numbers;
      numbers.Fill(d, channel, args.channels);
      numbers.Store(of_d + lane, wide);
    }
    if constexpr (A::kChanges) {
      MarchNumbers<A, V> numbers;
      numbers.Fill(a, channel, args.channels);
      numbers.Store(of_a + lane, wide);
    }
  }
};

template <int K, int S, int V, int TW, class D, class A>
class GradientMarch {
  using T = typename D::T;
  static constexpr int kWindow = S == 1 ? K : K / 2 + 1;
  static constexpr int kColumns = TW + kWindow - 1;
  static constexpr int kPixels = S * TW;  // of a row of a's map
  // Whether a row of the window is loaded while the one before is computed with. bf16 of a large
  // kernel leaves no registers for it: what it unpacks lies beside the packed window.
  static constexpr bool kAhead = K == 3 || sizeof(T) == 4;

 public:
  float taps[K][K][V] = {};  // sums
  MarchSums<V> sums;         // of out, where a is normalised

  // `w` in shared memory, (K, K, groups, V). `height`, `width`: of a's map.
  __device__ __forceinline__ GradientMarch(const D& d, const A& a, const float* w,
                                           const GradientTables<D, A>& tables, T* out,
                                           const MarchArgs& args, int height, int width)
      : d_(d),
        a_(a),
        w_(w),
        tables_(tables),
        out_(out),
        args_(args),
        height_(height),
        width_(width) {}

  // The thread's units of one item.
  __device__ __forceinline__ void AddItem(const MarchPlace& place) {
    const std::int64_t window_at =
        PixelAt(place.image, place.first - args_.pad, place.column - args_.pad, args_.in_h,
                args_.in_w, args_.channels) +
        place.channel;
    const std::int64_t pixel_at =
        PixelAt(place.image, S * place.first, S * place.column, height_, width_, args_.channels) +
        place.channel;
    Vector<T, V> window[kWindow][kColumns];
#pragma unroll
    for (int r = 0; r < kWindow; ++r) {
#pragma unroll
      for (int c = 0; c < kColumns; ++c) window[r][c].Clear();
    }
    const int window_rows = place.rows + kWindow - 1;
    RawRow next;
    if (kAhead) LoadWindowRow(place, window_at, 0, next);
      // The first rows only fill the window: loaded before the loop, they would take more registers
      // than the loop does.
#pragma unroll 1
    for (int r = 0; r < window_rows; ++r) {
      if (!kAhead) LoadWindowRow(place, window_at, r, next);
      MakeWindowRow(place, r, next, window[kWindow - 1]);
      if (kAhead && r + 1 < window_rows) LoadWindowRow(place, window_at, r + 1, next);
      if (r >= kWindow - 1) {
#pragma unroll
        for (int p = 0; p < S; ++p) {
          const int row = S * (r - (kWindow - 1)) + p;
          if (S * place.first + row < height_) {
            AddRow(p, window, pixel_at + static_cast<std::int64_t>(row) * width_ * args_.channels,
                   width_ - S * place.column);
          }
        }
      }
#pragma unroll
      for (int q = 0; q + 1 < kWindow; ++q) {
#pragma unroll
        for (int c = 0; c < kColumns; ++c) window[q][c] = window[q + 1][c];
      }
    }
  }

 private:
  struct RawRow {
    MarchRaw<D, V> of[kColumns];
  };

  // Which of a unit's rows (or columns) meets tap k, and in which element of the window.
  static constexpr __device__ __forceinline__ int Parity(int k) {
    return S == 1 ? 0 : Stride2Parity(K, k);
  }
  static constexpr __device__ __forceinline__ int Element(int k) {
    return S == 1 ? K - 1 - k : Stride2WindowElement(K, Parity(k), k);
  }
  // Of the thread's channels in shared memory; not to be known as the last row's.
  static __device__ __forceinline__ int Lane() {
    int lane = static_cast<int>(threadIdx.x) * V;
    Opaque(lane);
    return lane;
  }
  __device__ __forceinline__ int Wide() const { return args_.groups * V; }

  // Row r of the band's windows.
  __device__ __forceinline__ void LoadWindowRow(const MarchPlace& place, std::int64_t window_at,
                                                int r, RawRow& raw) const {
    const bool exists = Within(place.first - args_.pad + r, args_.in_h);
    const std::int64_t row_at =
        window_at + static_cast<std::int64_t>(r) * args_.in_w * args_.channels;
#pragma unroll
    for (int i = 0; i < D::kInputs; ++i) {
      const T* from = d_.input(i) + row_at;
      Opaque(from);
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        raw.of[c].of[i].Clear();
        if (exists && Within(place.column - args_.pad + c, args_.in_w)) {
          raw.of[c].of[i].LoadReadOnly(from + static_cast<std::int64_t>(c) * args_.channels);
        }
      }
    }
  }
  __device__ __forceinline__ void MakeWindowRow(const MarchPlace& place, int r, const RawRow& raw,
                                                Vector<T, V>* made) const {
    const bool exists = Within(place.first - args_.pad + r, args_.in_h);
    MarchNumbers<D, V> numbers;
    numbers.Load(tables_.of_d + Lane(), Wide());
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      made[c] = Transformed(d_, raw.of[c], numbers,
                            exists && Within(place.column - args_.pad + c, args_.in_w));
    }
  }

  // Row p of the units, `columns` pixels of which the map has.
  __device__ __forceinline__ void AddRow(int p, const Vector<T, V> (&window)[kWindow][kColumns],
                                         std::int64_t at, int columns) {
    MarchRaw<A, V> raw[kPixels];
    const T* from = a_.data + at;
    Opaque(from);
#pragma unroll
    for (int t = 0; t < kPixels; ++t) {
      raw[t].Clear();
      if (t < columns) {
        raw[t].of[0].LoadReadOnly(from + static_cast<std::int64_t>(t) * args_.channels);
      }
    }
    Vector<T, V> factor[kPixels];
    {
      MarchNumbers<A, V> numbers;
      numbers.Load(tables_.of_a + Lane(), Wide());
#pragma unroll
      for (int t = 0; t < kPixels; ++t) factor[t] = Transformed(a_, raw[t], numbers, t < columns);
    }
    float gradient[kPixels][V] = {};
    AddTerms(p, window, factor, gradient);
    if constexpr (A::kChanges) Pass(raw, columns, gradient);
    T* to = out_ + at;
    Opaque(to);
#pragma unroll
    for (int t = 0; t < kPixels; ++t) {
      Vector<T, V> packed;
      packed.Set(gradient[t]);
      if (t < columns) packed.Store(to + static_cast<std::int64_t>(t) * args_.channels);
    }
  }

  __device__ __forceinline__ void AddTerms(int p, const Vector<T, V> (&window)[kWindow][kColumns],
                                           const Vector<T, V> (&factor)[kPixels],
                                           float (&gradient)[kPixels][V]) {
    const float* const w = w_ + Lane();
#pragma unroll
    for (int kh = 0; kh < K; ++kh) {
      if (Parity(kh) != p) continue;
#pragma unroll
      for (int kw = 0; kw < K; ++kw) {
        Vector<float, V> tap;
        tap.Load(w + (kh * K + kw) * Wide());
#pragma unroll
        for (int t = 0; t < TW; ++t) {
          const Vector<T, V>& d = window[Element(kh)][t + Element(kw)];
          const int column = S * t + Parity(kw);
#pragma unroll
          for (int v = 0; v < V; ++v) {
            gradient[column][v] = fmaf(d.Get(v), tap.Get(v), gradient[column][v]);
            taps[kh][kw][v] = fmaf(d.Get(v), factor[column].Get(v), taps[kh][kw][v]);
          }
        }
      }
    }
  }

  // Leaves of a row's gradient what the norm's activation passes, as it will be stored, and adds it
  // up.
  __device__ __forceinline__ void Pass(const MarchRaw<A, V> (&raw)[kPixels], int columns,
                                       float (&gradient)[kPixels][V]) {
    MarchNumbers<A, V> numbers;
    numbers.Load(tables_.of_a + Lane(), Wide());
#pragma unroll
    for (int t = 0; t < kPixels; ++t) {
#pragma unroll
      for (int v = 0; v < V; ++v) {
        const float distance = raw[t].of[0].Get(v) - numbers.of[v][0];
        // NormPasses word for word; called, it makes nvcc 13.0 spill for sm_90a.
        const float value = NormValue(distance, numbers.of[v][1], numbers.of[v][2]);
        const bool passes = t < columns && PassesGradient(value, a_.transform.norm.activation);
        gradient[t][v] = passes ? ToFloat(FromFloat<T>(gradient[t][v])) : 0.0f;
        sums.row[0][v] += gradient[t][v];
        sums.row[1][v] = fmaf(gradient[t][v], distance, sums.row[1][v]);
      }
    }
    sums.EndRow();
  }

  const D& d_;
  const A& a_;
  const float* w_;
  GradientTables<D, A> tables_;
  T* out_;
  const MarchArgs& args_;
  int height_;
  int width_;
};

// `height`, `width`: of a's map. `sums`: where a is normalised.
template <int K, int S, int V, int TW, class D, class A>
__global__ void __launch_bounds__(kMostMarchThreads, 1)
    DepthwiseGradients(D d, A a, const typename D::T* __restrict__ w, typename D::T* out,
                       double* __restrict__ sums, float* __restrict__ partial, MarchArgs args,
                       int height, int width) {
  // (K, K, groups, V), then tables; later (images, strips), K, (groups, V).
  NAS_DYNAMIC_SHARED(float, shared);
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  MarchPlace place;
  place.chunk = static_cast<int>(blockIdx.x) % args.chunks;
  place.channel = (place.chunk * args.groups + tx) * V;
  const int wide = args.groups * V;
  LoadTaps(w, K * K, wide, place.chunk, args, shared);
  GradientTables<D, A> tables(shared + K * K * wide, wide);
  if (ty == 0) tables.template Fill<V>(d, a, place.channel, args);
  __syncthreads();
  GradientMarch<K, S, V, TW, D, A> march(d, a, shared, tables, out, args, height, width);
  const int part = static_cast<int>(blockIdx.x) / args.chunks;
  const int items = args.all_images * args.bands * args.column_blocks;
  for (int item = part * args.images + ty / args.strips; item < items;
       item += args.parts * args.images) {
    place.column = (item % args.column_blocks * args.strips + ty % args.strips) * TW;
    place.first = item / args.column_blocks % args.bands * args.rows;
    place.rows = Smaller(args.rows, args.out_h - place.first);
    place.image = item / args.column_blocks / args.bands;
    if (place.channel < args.channels && place.column < args.out_w) march.AddItem(place);
  }
  StoreTapSums<K, V>(march.taps, place.chunk, part, args, shared, partial);
  if constexpr (A::kChanges) {
    double of[2][V];
    march.sums.Get(of);
    StoreSums<V>(of, place, args, reinterpret_cast<double*>(shared), sums);
  }
}

// Launches the kernel for a plan of units, and adds up the sums of taps that its blocks leave in
// `partial`, of WeightPartsBytes.
template <int K, int S, class D, class A>
void LaunchGradients(Context& context, const char* name, const MarchMap& map, const MarchPlan& plan,
                     int height, int width, const D& d, const A& a, const typename D::T* w,
                     typename D::T* out, double* sums, float* partial, bool accumulate, float* dw) {
  constexpr MarchTile kTile = mbconv::GradientsTile(sizeof(typename D::T), K, S, A::kChanges);
  const auto values = static_cast<std::size_t>(plan.threads() * kTile.vector);
  const std::size_t tables =
      static_cast<std::size_t>(plan.channels()) * GradientTables<D, A>::kTables * sizeof(float);
  const std::size_t shared_bytes =
      std::max({TapBytes(map, plan) + tables, values * K * sizeof(float), values * sizeof(double)});
  Launch(context, name, &DepthwiseGradients<K, S, kTile.vector, kTile.width, D, A>,
         ShapeOf(map, plan, kTile, shared_bytes), d, a, w, out, sums, partial, ArgsOf(map, plan),
         height, width);
  SumParts(context, partial, plan.parts, map.taps * map.channels, accumulate, dw);
}

}  // namespace nasengine::cuda
