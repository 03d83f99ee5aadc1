// Depthwise convolution on CUDA, forward (and backward-data of stride 1, with the kernel turned).
//   x (n, h, w, c)   w (K, K, c)   y (n, out_h, out_w, c)   stride S
// A thread owns V channels of TW output columns and marches down a band of rows. The R = ceil(K /
// S) output rows that an input row meets are open at a time, their sums in registers; a row is
// stored when its last input row has come.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/depthwise_conv_cuda.cuh"
#include "kernels/conv/depthwise_conv_cuda_plan.h"

namespace nasengine::cuda {

// The open rows' sums. Rows come in periods of kPeriod; what depends on the place q in a period is
// known to the compiler once the loop over it is unrolled. The row that opened `age` rows ago has
// its sums in Slot(q, age): large kernels move sums when a row opens, so that a period is short and
// its code small; 3x3 (no faster so) is unrolled over a whole turn of the slots.
template <class T, int K, int S, int V, int TW>
struct OpenRows {
  static constexpr int kOpen = (K + S - 1) / S;
  static constexpr int kColumns = (TW - 1) * S + K;
  static constexpr bool kMoves = K > 3;
  static constexpr int kPeriod = kMoves ? S : kOpen * S;

  float sum[kOpen][TW][V];

  static __device__ __forceinline__ int Slot(int q, int age) {
    return kMoves ? age : (q / S + kOpen - age) % kOpen;
  }
  // The age of the row that input row q completes, or -1.
  static __device__ __forceinline__ int CompletedAge(int q) {
    const int rest = K - 1 - q % S;
    return rest % S == 0 ? rest / S : -1;
  }

  __device__ __forceinline__ void Open(int slot, const float* bias) {
#pragma unroll
    for (int t = 0; t < TW; ++t) {
#pragma unroll
      for (int v = 0; v < V; ++v) sum[slot][t][v] = bias[v];
    }
  }

  // Adds input row q, whose taps begin at `taps`, `step` elements apart.
  __device__ __forceinline__ void Add(int q, const Vector<T, V>* row, const float* taps, int step) {
#pragma unroll
    for (int age = 0; age < kOpen; ++age) {
      const int kh = q % S + age * S;
      const int slot = Slot(q, age);
      if (kh >= K) continue;
#pragma unroll
      for (int kw = 0; kw < K; ++kw) {
        Vector<float, V> tap;
        tap.Load(taps + (kh * K + kw) * step);
#pragma unroll
        for (int t = 0; t < TW; ++t) {
#pragma unroll
          for (int v = 0; v < V; ++v) {
            sum[slot][t][v] = fmaf(row[t * S + kw].Get(v), tap.Get(v), sum[slot][t][v]);
          }
        }
      }
    }
  }

  // Stores a completed row's columns that the map has.
  __device__ __forceinline__ void Store(int slot, T* to, int columns, int channels,
                                        Activation activation) const {
#pragma unroll
    for (int t = 0; t < TW; ++t) {
      float values[V];
#pragma unroll
      for (int v = 0; v < V; ++v) values[v] = Activate(sum[slot][t][v], activation);
      Vector<T, V> packed;
      packed.Set(values);
      if (t < columns) packed.Store(to + static_cast<std::int64_t>(t) * channels);
    }
  }

  // After the last row of a period.
  __device__ __forceinline__ void Move(const float* bias) {
#pragma unroll
    for (int age = kOpen - 1; age > 0; --age) {
#pragma unroll
      for (int t = 0; t < TW; ++t) {
#pragma unroll
        for (int v = 0; v < V; ++v) sum[age][t][v] = sum[age - 1][t][v];
      }
    }
    Open(0, bias);
  }

  // Stores the row that input row q, the r-th of the band, completes, if there is one.
  __device__ __forceinline__ void Complete(int q, int r, const float* bias, T* to, int columns,
                                           const MarchArgs& a) {
    const int age = CompletedAge(q);
    if (age >= 0) {
      const int slot = Slot(q, age);
      const int row = r / S - age;
      if (row >= 0) {
        T* at = to + static_cast<std::int64_t>(row) * a.out_w * a.channels;
        Opaque(at);
        Store(slot, at, columns, a.channels, a.activation);
      }
      if (!kMoves) Open(slot, bias);
    }
    if (kMoves && q % S == S - 1) Move(bias);
  }
};

template <int V>
__device__ __forceinline__ void LoadBias(const float* __restrict__ bias, const MarchPlace& place,
                                         float* values) {
#pragma unroll
  for (int v = 0; v < V; ++v) {
    values[v] = bias != nullptr && place.inside ? bias[place.channel + v] : 0.f;
  }
}

// Rows are loaded into registers, one ahead.
template <class T, int K, int S, int V, int TW>
__global__ void __launch_bounds__(kMostMarchThreads, 1)
    DepthwiseMarch(const T* __restrict__ x, const T* __restrict__ w, const float* __restrict__ bias,
                   T* __restrict__ y, MarchArgs a) {
  using Rows = OpenRows<T, K, S, V, TW>;
  NAS_DYNAMIC_SHARED(float, taps);  // (K, K, groups, V)
  const MarchPlace place = PlaceOf<V, TW>(a);
  const int wide = a.groups * V;
  LoadTaps(w, K * K, wide, place.chunk, a, taps);
  __syncthreads();
  if (!place.inside) return;  // past the last barrier
  taps += static_cast<int>(threadIdx.x) * V;
  const int h0 = place.first * S - a.pad;
  const int w0 = place.column * S - a.pad;
  const int total = (place.rows - 1) * S + K;
  x += PixelAt(place.image, h0, w0, a.in_h, a.in_w, a.channels) + place.channel;
  y +=
      PixelAt(place.image, place.first, place.column, a.out_h, a.out_w, a.channels) + place.channel;
  unsigned columns = 0;  // which the map has
#pragma unroll
  for (int i = 0; i < Rows::kColumns; ++i) {
    columns |= static_cast<unsigned>(Within(w0 + i, a.in_w)) << i;
  }
  const auto load = [&](Vector<T, V>* row, int r) {
    const bool exists = r < total && Within(h0 + r, a.in_h);
    const T* from = x + static_cast<std::int64_t>(r) * a.in_w * a.channels;
    Opaque(from);
#pragma unroll
    for (int i = 0; i < Rows::kColumns; ++i) {
      row[i].Clear();
      if (exists && (columns >> i & 1) != 0) {
        row[i].LoadReadOnly(from + static_cast<std::int64_t>(i) * a.channels);
      }
    }
  };
  float first_sum[V];
  LoadBias<V>(bias, place, first_sum);
  Rows open;
#pragma unroll
  for (int slot = 0; slot < Rows::kOpen; ++slot) open.Open(slot, first_sum);
  Vector<T, V> row[Rows::kColumns];
  Vector<T, V> next[Rows::kColumns];
  load(row, 0);
#pragma unroll 1
  for (int base = 0; base < total; base += Rows::kPeriod) {
#pragma unroll
    for (int q = 0; q < Rows::kPeriod; ++q) {
      const int r = base + q;
      if (r < total) {
        load(next, r + 1);
        if (Within(h0 + r, a.in_h)) open.Add(q, row, taps, wide);
        open.Complete(q, r, first_sum, y, a.out_w - place.column, a);
#pragma unroll
        for (int i = 0; i < Rows::kColumns; ++i) row[i] = next[i];
      }
    }
  }
}

// Copies rows of the block's window into shared memory, beside the computation. A thread copies
// the same bytes of every kStep-th pixel of its own image's row.
template <class T, int K, int S, int V, int TW>
class RowStager {
 public:
  __device__ __forceinline__ RowStager(const T* __restrict__ x, const MarchPlace& place,
                                       const MarchArgs& a)
      : a_(a) {
    const int ty = static_cast<int>(threadIdx.y);
    const int lane = ty % a.strips * a.groups + static_cast<int>(threadIdx.x);
    const int bytes = a.copies_wide ? 16 : 4;
    const int per_copy = bytes / static_cast<int>(sizeof(T));
    const int copies = a.groups * V / per_copy;  // of a pixel
    columns_ = (a.strips * TW - 1) * S + K;
    first_ = lane / copies;
    step_ = a.strips * a.groups / copies;
    element_ = lane % copies * per_copy;
    h0_ = place.first * S - a.pad;
    w0_ = (place.column - ty % a.strips * TW) * S - a.pad;
    const int channel = place.chunk * a.groups * V + element_;
    copies_any_ = channel < a.channels && place.image < a.all_images;
    x_ = x + PixelAt(place.image, h0_, w0_, a.in_h, a.in_w, a.channels) + channel;
    image_at_ = ty / a.strips * columns_ * a.groups * V;
  }

  // Where in a stage the thread's image begins.
  __device__ __forceinline__ int image_at() const { return image_at_; }

  // Row r of the band, if the map has it; otherwise an empty group of copies.
  __device__ __forceinline__ void Copy(int r, int total, T* stage) const {
    if (r < total && Within(h0_ + r, a_.in_h)) {
      const T* from = x_ + static_cast<std::int64_t>(r) * a_.in_w * a_.channels;
      T* to = stage + image_at_ + element_;
      if (a_.copies_wide) {
        CopyColumns<16>(from, to);
      } else {
        CopyColumns<4>(from, to);
      }
    }
    AsyncCommit();
  }

 private:
  template <int kBytes>
  __device__ __forceinline__ void CopyColumns(const T* from, T* to) const {
    for (int i = first_; i < columns_; i += step_) {
      AsyncCopy<kBytes>(to + i * a_.groups * V, from + static_cast<std::int64_t>(i) * a_.channels,
                        copies_any_ && Within(w0_ + i, a_.in_w));
    }
  }

  const MarchArgs& a_;
  const T* x_;
  int columns_;
  int first_;
  int step_;
  int element_;
  int h0_;
  int w0_;
  int image_at_;
  bool copies_any_;
};

// More threads than there are keep ptxas from loading taps early into registers that then let two
// blocks of the usual size onto a multiprocessor instead of three. Two channels need theirs.
__host__ __device__ constexpr int StagedBounds(int vector) {
  return vector == 1 ? 384 : kMostMarchThreads;
}

// Rows cross to shared memory kStages - 1 ahead, each element once a block: for large kernels,
// whose sums leave no registers for rows to come.
template <class T, int K, int S, int V, int TW>
__global__ void __launch_bounds__(StagedBounds(V), 1)
    DepthwiseMarchStaged(const T* __restrict__ x, const T* __restrict__ w,
                         const float* __restrict__ bias, T* __restrict__ y, MarchArgs a) {
  using Rows = OpenRows<T, K, S, V, TW>;
  NAS_DYNAMIC_SHARED(float, taps);  // (K, K, groups, V), then kStages stages
  const MarchPlace place = PlaceOf<V, TW>(a);
  const int wide = a.groups * V;
  const int stage_elements = a.images * ((a.strips * TW - 1) * S + K) * wide;
  T* stages = reinterpret_cast<T*>(taps + K * K * wide);
  const RowStager<T, K, S, V, TW> stager(x, place, a);
  const int h0 = place.first * S - a.pad;
  const int total = (place.rows - 1) * S + K;
#pragma unroll
  for (int r = 0; r < kStages - 1; ++r) stager.Copy(r, total, stages + r * stage_elements);
  LoadTaps(w, K * K, wide, place.chunk, a, taps);
  taps += static_cast<int>(threadIdx.x) * V;
  const int window = stager.image_at() + static_cast<int>(threadIdx.y) % a.strips * TW * S * wide +
                     static_cast<int>(threadIdx.x) * V;
  y +=
      PixelAt(place.image, place.first, place.column, a.out_h, a.out_w, a.channels) + place.channel;
  float first_sum[V];
  LoadBias<V>(bias, place, first_sum);
  Rows open;
#pragma unroll
  for (int slot = 0; slot < Rows::kOpen; ++slot) open.Open(slot, first_sum);
  int stage = 0;  // of row r
  int free = kStages - 1;
#pragma unroll 1
  for (int base = 0; base < total; base += Rows::kPeriod) {
#pragma unroll
    for (int q = 0; q < Rows::kPeriod; ++q) {
      const int r = base + q;
      if (r < total) {
        AsyncWait<kStages - 2>();
        // Row r is there for all, and all have read row r - 1, whose stage is filled again.
        __syncthreads();
        stager.Copy(r + kStages - 1, total, stages + free * stage_elements);
        if (place.inside) {
          if (Within(h0 + r, a.in_h)) {
            Vector<T, V> row[Rows::kColumns];
            const T* from = stages + stage * stage_elements + window;
#pragma unroll
            for (int i = 0; i < Rows::kColumns; ++i) row[i].Load(from + i * wide);
            open.Add(q, row, taps, wide);
          }
          open.Complete(q, r, first_sum, y, a.out_w - place.column, a);
        }
        free = stage;
        stage = stage + 1 == kStages ? 0 : stage + 1;
      }
    }
  }
}

}  // namespace nasengine::cuda
