// Depthwise convolution on CUDA, forward (and backward-data of stride 1, with the kernel turned).
//   x (n, h, w, c)   w (K, K, c)   y (n, out_h, out_w, c)   stride S
// A thread owns V channels of TW output columns and marches down a band of rows. The R = ceil(K /
// S) output rows that an input row meets are open at a time, their sums in registers; a row is
// stored when its last input row has come.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "kernels/conv/depthwise_conv_cuda_launch.h"
#include "kernels/conv/depthwise_conv_cuda_plan.h"
#include "kernels/conv/depthwise_conv_cuda_reader.cuh"
#include "kernels/conv/depthwise_conv_cuda_writer.cuh"

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

  // Writes the row that input row q, the r-th of the band, completes, if there is one.
  template <class Writer>
  __device__ __forceinline__ void Complete(int q, int r, const float* bias, Writer& writer,
                                           int columns, const MarchArgs& a) {
    const int age = CompletedAge(q);
    if (age >= 0) {
      const int slot = Slot(q, age);
      const int row = r / S - age;
      if (row >= 0) {
        writer.template Row<TW>(sum[slot], static_cast<std::int64_t>(row) * a.out_w * a.channels,
                                columns, a.channels);
      }
      if (!kMoves) Open(slot, bias);
    }
    if (kMoves && q % S == S - 1) Move(bias);
  }
};

// Rows are loaded into registers, one ahead.
template <int K, int S, int V, int TW, class Input, class Output>
__global__ void __launch_bounds__(kMarchBounds, 1)
    DepthwiseMarch(Input x, const typename Input::T* __restrict__ w, Output y, MarchArgs a) {
  using T = typename Input::T;
  using Rows = OpenRows<T, K, S, V, TW>;
  using Reader = MarchReader<Input, V>;
  NAS_DYNAMIC_SHARED(float, taps);  // (K, K, groups, V)
  const MarchPlace place = PlaceOf<V, TW>(a);
  const int wide = a.groups * V;
  LoadTaps(w, K * K, wide, place.chunk, a, taps);
  __syncthreads();
  typename Output::template Writer<V> writer(y, place.channel, a.channels);
  if (place.inside) {
    const int h0 = place.first * S - a.pad;
    const int w0 = place.column * S - a.pad;
    const int total = (place.rows - 1) * S + K;
    Reader reader(x, place.channel, a.channels);
    reader.MoveTo(PixelAt(place.image, h0, w0, a.in_h, a.in_w, a.channels) + place.channel);
    writer.MoveTo(PixelAt(place.image, place.first, place.column, a.out_h, a.out_w, a.channels) +
                  place.channel);
    unsigned columns = 0;  // which the map has
#pragma unroll
    for (int i = 0; i < Rows::kColumns; ++i) {
      columns |= static_cast<unsigned>(Within(w0 + i, a.in_w)) << i;
    }
    const auto load = [&](typename Reader::Raw* row, int r) {
      const bool exists = r < total && Within(h0 + r, a.in_h);
      const auto from = reader.RowAt(static_cast<std::int64_t>(r) * a.in_w * a.channels);
#pragma unroll
      for (int i = 0; i < Rows::kColumns; ++i) {
        row[i].Clear();
        if (exists && (columns >> i & 1) != 0) {
          Reader::Load(from, static_cast<std::int64_t>(i) * a.channels, row[i]);
        }
      }
    };
    float first_sum[V];
    writer.Start(first_sum);
    Rows open;
#pragma unroll
    for (int slot = 0; slot < Rows::kOpen; ++slot) open.Open(slot, first_sum);
    Vector<T, V> row[Rows::kColumns];
    typename Reader::Raw next[Rows::kColumns];
    load(next, 0);
#pragma unroll
    for (int i = 0; i < Rows::kColumns; ++i) row[i] = reader.Make(next[i], (columns >> i & 1) != 0);
#pragma unroll 1
    for (int base = 0; base < total; base += Rows::kPeriod) {
#pragma unroll
      for (int q = 0; q < Rows::kPeriod; ++q) {
        const int r = base + q;
        if (r < total) {
          load(next, r + 1);
          if (Within(h0 + r, a.in_h)) {
            int at = static_cast<int>(threadIdx.x) * V;
            if (Input::kChanges || Output::kSums) Opaque(at);  // else taps stay in registers
            open.Add(q, row, taps + at, wide);
          }
          open.Complete(q, r, first_sum, writer, a.out_w - place.column, a);
#pragma unroll
          for (int i = 0; i < Rows::kColumns; ++i) {
            row[i] = reader.Make(next[i], (columns >> i & 1) != 0);
          }
        }
      }
    }
  }
  writer.Finish(place, a, reinterpret_cast<double*>(taps));
}

// Copies rows of the block's window into shared memory, beside the computation. A thread copies
// the same bytes of every kStep-th pixel of its own image's row, of each of the map's tensors. A
// stage is a row of the first of them, then of the second.
template <int K, int S, int V, int TW, class Input>
class RowStager {
  using T = typename Input::T;

 public:
  __device__ __forceinline__ RowStager(const Input& input, const MarchPlace& place,
                                       const MarchArgs& a)
      : a_(a) {
    const int ty = static_cast<int>(threadIdx.y);
    const int lane = ty % a.strips * a.groups + static_cast<int>(threadIdx.x);
    const int bytes = a.copies_wide ? 16 : 4;
    const int per_copy = bytes / static_cast<int>(sizeof(T));
    const int copies = a.groups * V / per_copy;  // of a pixel
    first_ = lane / copies;
    step_ = a.strips * a.groups / copies;
    const int element = lane % copies * per_copy;
    h0_ = place.first * S - a.pad;
    w0_ = (place.column - ty % a.strips * TW) * S - a.pad;
    const int channel = place.chunk * a.groups * V + element;
    copies_any_ = channel < a.channels && place.image < a.all_images;
    const std::int64_t start = PixelAt(place.image, h0_, w0_, a.in_h, a.in_w, a.channels) + channel;
#pragma unroll
    for (int i = 0; i < Input::kInputs; ++i) base_[i] = input.input(i) + start;
    to_ = image_at() + element;
  }

  // Pixels of a row of the block's window, and where in the map the first of them is.
  __device__ __forceinline__ int columns() const { return (a_.strips * TW - 1) * S + K; }
  __device__ __forceinline__ int first_column() const { return w0_; }
  // Where in a tensor's part of a stage the thread's image begins.
  __device__ __forceinline__ int image_at() const {
    return static_cast<int>(threadIdx.y) / a_.strips * columns() * a_.groups * V;
  }
  // Elements of such a part.
  __device__ __forceinline__ int part_elements() const {
    return a_.images * columns() * a_.groups * V;
  }
  __device__ __forceinline__ int stage_elements() const { return Input::kInputs * part_elements(); }

  // Row r of the band, if the map has it; otherwise an empty group of copies.
  __device__ __forceinline__ void Copy(int r, int total, T* stage) const {
    if (r < total && Within(h0_ + r, a_.in_h)) {
#pragma unroll
      for (int i = 0; i < Input::kInputs; ++i) {
        const T* from = base_[i] + static_cast<std::int64_t>(r) * a_.in_w * a_.channels;
        T* to = stage + i * part_elements() + to_;
        if (a_.copies_wide) {
          CopyColumns<16>(from, to);
        } else {
          CopyColumns<4>(from, to);
        }
      }
    }
    AsyncCommit();
  }

 private:
  template <int kBytes>
  __device__ __forceinline__ void CopyColumns(const T* from, T* to) const {
    for (int i = first_; i < columns(); i += step_) {
      AsyncCopy<kBytes>(to + i * a_.groups * V, from + static_cast<std::int64_t>(i) * a_.channels,
                        copies_any_ && Within(w0_ + i, a_.in_w));
    }
  }

  const MarchArgs& a_;
  const T* base_[Input::kInputs];
  int first_;
  int step_;
  int to_;  // where its first bytes of a tensor's part of a stage go
  int h0_;
  int w0_;
  bool copies_any_;
};

// Transforms a stage in place, each element once a block: a thread its own channels of every
// blockDim.y-th pixel. What lies beside the map stays zero.
template <int V, class Input, class Stager>
__device__ __forceinline__ void TransformStage(const Input& x, const Stager& stager,
                                               const float* table, const MarchArgs& a,
                                               typename Input::T* stage) {
  const int wide = a.groups * V;
  const int lane = static_cast<int>(threadIdx.x) * V;
  MarchNumbers<Input, V> numbers;
  numbers.Load(table + lane, wide);
  for (int image = 0; image < a.images; ++image) {
    for (int column = static_cast<int>(threadIdx.y); column < stager.columns();
         column += static_cast<int>(blockDim.y)) {
      typename Input::T* at = stage + (image * stager.columns() + column) * wide + lane;
      MarchRaw<Input, V> raw;
#pragma unroll
      for (int i = 0; i < Input::kInputs; ++i) raw.of[i].Load(at + i * stager.part_elements());
      Transformed(x, raw, numbers, Within(stager.first_column() + column, a.in_w)).Store(at);
    }
  }
}

// Rows cross to shared memory kStages - 1 ahead, each element once a block: for large kernels,
// whose sums leave no registers for rows to come. They are transformed there, a row ahead, which
// leaves a copy the time of one row. Taps are loaded anew for every row: kept, or loaded early,
// they would take the registers of a block more.
template <int K, int S, int V, int TW, class Input, class Output>
__global__ void __launch_bounds__(kMostMarchThreads, 1)
    DepthwiseMarchStaged(Input x, const typename Input::T* __restrict__ w, Output y, MarchArgs a) {
  using T = typename Input::T;
  using Rows = OpenRows<T, K, S, V, TW>;
  NAS_DYNAMIC_SHARED(float, taps);  // (K, K, groups, V), then kStages stages, then numbers
  const MarchPlace place = PlaceOf<V, TW>(a);
  const int wide = a.groups * V;
  T* stages = reinterpret_cast<T*>(taps + K * K * wide);
  const RowStager<K, S, V, TW, Input> stager(x, place, a);
  const int stage_elements = stager.stage_elements();
  const int h0 = place.first * S - a.pad;
  const int total = (place.rows - 1) * S + K;
#pragma unroll
  for (int r = 0; r < kStages - 1; ++r) stager.Copy(r, total, stages + r * stage_elements);
  LoadTaps(w, K * K, wide, place.chunk, a, taps);
  auto* const table = reinterpret_cast<float*>(stages + kStages * stage_elements);
  if constexpr (Input::kChanges) {
    if (threadIdx.y == 0) {
      MarchNumbers<Input, V> numbers;
      numbers.Fill(x, place.channel, a.channels);
      numbers.Store(table + static_cast<int>(threadIdx.x) * V, wide);
    }
    AsyncWait<kStages - 2>();
    __syncthreads();
    if (Within(h0, a.in_h)) TransformStage<V>(x, stager, table, a, stages);
  }
  const int window = stager.image_at() + static_cast<int>(threadIdx.y) % a.strips * TW * S * wide +
                     static_cast<int>(threadIdx.x) * V;
  typename Output::template Writer<V> writer(y, place.channel, a.channels);
  writer.MoveTo(PixelAt(place.image, place.first, place.column, a.out_h, a.out_w, a.channels) +
                place.channel);
  float first_sum[V];
  writer.Start(first_sum);
  Rows open;
#pragma unroll
  for (int slot = 0; slot < Rows::kOpen; ++slot) open.Open(slot, first_sum);
  int stage = 0;  // of row r
#pragma unroll 1
  for (int base = 0; base < total; base += Rows::kPeriod) {
#pragma unroll
    for (int q = 0; q < Rows::kPeriod; ++q) {
      const int r = base + q;
      if (r < total) {
        // Row r is there for all (with a transform: as it is to be, and row r + 1 is there), and
        // all have read row r - 1, whose stage is filled again.
        AsyncWait<Input::kChanges ? kStages - 3 : kStages - 2>();
        __syncthreads();
        const int free = stage == 0 ? kStages - 1 : stage - 1;
        stager.Copy(r + kStages - 1, total, stages + free * stage_elements);
        if constexpr (Input::kChanges) {
          const int next = stage + 1 == kStages ? 0 : stage + 1;
          if (r + 1 < total && Within(h0 + r + 1, a.in_h)) {
            TransformStage<V>(x, stager, table, a, stages + next * stage_elements);
          }
        }
        if (place.inside) {
          if (Within(h0 + r, a.in_h)) {
            Vector<T, V> row[Rows::kColumns];
            const T* from = stages + stage * stage_elements + window;
#pragma unroll
            for (int i = 0; i < Rows::kColumns; ++i) row[i].Load(from + i * wide);
            int at = static_cast<int>(threadIdx.x) * V;
            Opaque(at);
            open.Add(q, row, taps + at, wide);
          }
          open.Complete(q, r, first_sum, writer, a.out_w - place.column, a);
        }
        stage = stage + 1 == kStages ? 0 : stage + 1;
      }
    }
  }
  if constexpr (Output::kSums) {
    AsyncWait<0>();  // nothing may arrive where sums are added up
    writer.Finish(place, a, reinterpret_cast<double*>(taps));
  }
}

// Launches the kernel for K of a map, with whatever reads and writes it; `plan` of the tile below.
template <int K, int S, class Input, class Output>
void LaunchMarch(Context& context, const char* name, const MarchMap& map, const MarchPlan& plan,
                 bool turned, const Input& in, const typename Input::T* w, const Output& out) {
  using T = typename Input::T;
  constexpr MarchTile kTile =
      Input::kChanges || Output::kSums ? FusedTile(sizeof(T), K, S) : ForwardTile(sizeof(T), K, S);
  MarchArgs args = ArgsOf(map, plan);
  args.turned = turned;
  const std::size_t sums =
      Output::kSums ? static_cast<std::size_t>(plan.threads() * kTile.vector) * sizeof(double) : 0;
  if constexpr (K == 3) {
    Launch(context, name, &DepthwiseMarch<K, S, kTile.vector, kTile.width, Input, Output>,
           ShapeOf(map, plan, kTile, std::max(TapBytes(map, plan), sums)), in, w, out, args);
  } else {
    static_assert(kTile.vector * sizeof(T) == 4);  // RowStager
    args.copies_wide = plan.groups % 4 == 0;
    for (int i = 0; i < Input::kInputs; ++i) {
      args.copies_wide &= TakesVectors(in.input(i), map.channels * map.element_bytes, 16);
    }
    const auto staged = static_cast<std::size_t>(StagedBytes(map, plan) +
                                                 Input::Transform::kTables * plan.channels() * 4);
    Launch(context, name, &DepthwiseMarchStaged<K, S, kTile.vector, kTile.width, Input, Output>,
           ShapeOf(map, plan, kTile, std::max(staged, sums)), in, w, out, args);
  }
}

}  // namespace nasengine::cuda
