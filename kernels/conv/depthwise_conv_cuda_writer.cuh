// How our CUDA kernels of depthwise convolution write their results: as they are, or with the sums
// over rows that the next batch norm asks for, which blocks leave as (parts, 2, channels) in f64
// for FinaliseStatistics or FinaliseGradients (norm/batch_norm_cuda.h).
//
// A writer belongs to a thread and its V channels:
//   void Start(float* sums)                        what its sums begin with
//   void MoveTo(element)                           where offsets count from
//   void Row<N>(values, offset, columns, channels) writes `columns` of N pixels, a row's neighbours
//   void Finish(place, args, shared)               by all threads of a block, at the end
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/depthwise_conv_cuda.cuh"
#include "kernels/norm/batch_norm_apply_cuda.cuh"

namespace nasengine::cuda {

// activation(sum + bias).
template <class T>
struct StoreMap {
  static constexpr bool kSums = false;
  T* data;
  const float* bias = nullptr;  // (channels) or none
  Activation activation = Activation::kNone;

  template <int V>
  class Writer {
   public:
    __device__ __forceinline__ Writer(const StoreMap& map, int channel, int channels)
        : map_(map), to_(map.data), bias_(channel < channels ? map.bias : nullptr) {
      if (bias_ != nullptr) bias_ += channel;
    }
    __device__ __forceinline__ void Start(float* sums) const {
#pragma unroll
      for (int v = 0; v < V; ++v) sums[v] = bias_ != nullptr ? bias_[v] : 0.f;
    }
    __device__ __forceinline__ void MoveTo(std::int64_t element) { to_ = map_.data + element; }

    template <int N>
    __device__ __forceinline__ void Row(const float (&sums)[N][V], std::int64_t offset, int columns,
                                        int channels) const {
      T* at = to_ + offset;
      Opaque(at);
#pragma unroll
      for (int t = 0; t < N; ++t) {
        float values[V];
#pragma unroll
        for (int v = 0; v < V; ++v) values[v] = Activate(sums[t][v], map_.activation);
        Vector<T, V> packed;
        packed.Set(values);
        if (t < columns) packed.Store(at + static_cast<std::int64_t>(t) * channels);
      }
    }
    __device__ __forceinline__ void Finish(const MarchPlace& /*place*/, const MarchArgs& /*a*/,
                                           double* /*shared*/) const {}

   private:
    const StoreMap& map_;
    T* to_;
    const float* bias_;
  };
};

// A thread's two sums a channel: in f32 within a row, then over its rows, in f64 beyond.
template <int V>
struct MarchSums {
  float row[2][V] = {};
  float all[2][V] = {};

  __device__ __forceinline__ void EndRow() {
#pragma unroll
    for (int which = 0; which < 2; ++which) {
#pragma unroll
      for (int v = 0; v < V; ++v) {
        all[which][v] += row[which][v];
        row[which][v] = 0;
      }
    }
  }
  __device__ __forceinline__ void Get(double (&to)[2][V]) const {
#pragma unroll
    for (int which = 0; which < 2; ++which) {
#pragma unroll
      for (int v = 0; v < V; ++v) to[which][v] = static_cast<double>(all[which][v]);
    }
  }
};

// Adds the sums of a block's threads up in a fixed order, into its part of partial (parts, 2,
// channels). `shared`: one double for each channel of each thread.
template <int V>
__device__ __forceinline__ void StoreSums(const double (&sums)[2][V], const MarchPlace& place,
                                          const MarchArgs& a, double* shared, double* partial) {
  const int wide = a.groups * V;
  const int threads = static_cast<int>(blockDim.x * blockDim.y);
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  const std::int64_t part = blockIdx.x / a.chunks;
#pragma unroll
  for (int which = 0; which < 2; ++which) {
    __syncthreads();
#pragma unroll
    for (int v = 0; v < V; ++v) shared[ty * wide + tx * V + v] = sums[which][v];
    __syncthreads();
    for (int i = ty * static_cast<int>(blockDim.x) + tx; i < wide; i += threads) {
      double sum = 0;
      for (int y = 0; y < static_cast<int>(blockDim.y); ++y) sum += shared[y * wide + i];
      const int channel = place.chunk * wide + i;
      if (channel < a.channels) partial[(part * 2 + which) * a.channels + channel] = sum;
    }
  }
}

// The results as they are, with the sums of them and of their squares. f32 sums are those of
// distances from the thread's first result, so that a mean far from zero costs no accuracy.
template <class T>
struct StoreMapWithMoments {
  static constexpr bool kSums = true;
  T* data;
  double* partial;

  template <int V>
  class Writer {
   public:
    __device__ __forceinline__ Writer(const StoreMapWithMoments& map, int /*channel*/,
                                      int /*channels*/)
        : map_(map), to_(map.data) {}
    __device__ __forceinline__ void Start(float* sums) const {
#pragma unroll
      for (int v = 0; v < V; ++v) sums[v] = 0;
    }
    __device__ __forceinline__ void MoveTo(std::int64_t element) { to_ = map_.data + element; }

    template <int N>
    __device__ __forceinline__ void Row(const float (&sums)[N][V], std::int64_t offset, int columns,
                                        int channels) {
      T* at = to_ + offset;
      Opaque(at);
#pragma unroll
      for (int t = 0; t < N; ++t) {
        Vector<T, V> packed;
        packed.Set(sums[t]);
        if (t < columns) packed.Store(at + static_cast<std::int64_t>(t) * channels);
#pragma unroll
        for (int v = 0; v < V; ++v) {
          if (t == 0 && count_ == 0) pivot_[v] = packed.Get(v);
          const float distance = t < columns ? packed.Get(v) - pivot_[v] : 0.0f;
          sums_.row[0][v] += distance;
          sums_.row[1][v] = fmaf(distance, distance, sums_.row[1][v]);
        }
      }
      sums_.EndRow();
      count_ += Smaller(columns, N);
    }
    __device__ __forceinline__ void Finish(const MarchPlace& place, const MarchArgs& a,
                                           double* shared) const {
      double moments[2][V];
      sums_.Get(moments);
#pragma unroll
      for (int v = 0; v < V; ++v) {
        MoveMoments(static_cast<double>(pivot_[v]), count_, moments[0][v], moments[1][v]);
      }
      StoreSums<V>(moments, place, a, shared, map_.partial);
    }

   private:
    const StoreMapWithMoments& map_;
    T* to_;
    int count_ = 0;
    float pivot_[V] = {};
    MarchSums<V> sums_;
  };
};

// The results are the gradient of a batch norm's activated output: writes what the activation lets
// through, g, with the sums of g and of g * (x - mean), x being what the norm has read.
template <class T>
struct StorePassedMap {
  static constexpr bool kSums = true;
  T* data;
  const T* x;  // like data
  NormParameters norm;
  double* partial;

  template <int V>
  class Writer {
   public:
    __device__ __forceinline__ Writer(const StorePassedMap& map, int channel, int channels)
        : map_(map), to_(map.data), x_(map.x) {
#pragma unroll
      for (int v = 0; v < V; ++v) {
        numbers_[v][0] = numbers_[v][1] = numbers_[v][2] = 0;
        if (channel < channels) FillAffine(map.norm, channel + v, numbers_[v]);
      }
    }
    __device__ __forceinline__ void Start(float* sums) const {
#pragma unroll
      for (int v = 0; v < V; ++v) sums[v] = 0;
    }
    __device__ __forceinline__ void MoveTo(std::int64_t element) {
      to_ = map_.data + element;
      x_ = map_.x + element;
    }

    template <int N>
    __device__ __forceinline__ void Row(const float (&sums)[N][V], std::int64_t offset, int columns,
                                        int channels) {
      const T* from = x_ + offset;
      T* at = to_ + offset;
      Opaque(from);
      Opaque(at);
      Vector<T, V> x[N];
#pragma unroll
      for (int t = 0; t < N; ++t) {
        x[t].Clear();
        if (t < columns) x[t].LoadReadOnly(from + static_cast<std::int64_t>(t) * channels);
      }
#pragma unroll
      for (int t = 0; t < N; ++t) {
        float distances[V], values[V];
#pragma unroll
        for (int v = 0; v < V; ++v) {
          distances[v] = x[t].Get(v) - numbers_[v][0];
          const bool passes = t < columns && NormPasses(distances[v], numbers_[v][1],
                                                        numbers_[v][2], map_.norm.activation);
          values[v] = passes ? sums[t][v] : 0.0f;
        }
        Vector<T, V> packed;
        packed.Set(values);
        if (t < columns) packed.Store(at + static_cast<std::int64_t>(t) * channels);
#pragma unroll
        for (int v = 0; v < V; ++v) {
          const float g = packed.Get(v);
          sums_.row[0][v] += g;
          sums_.row[1][v] = fmaf(g, distances[v], sums_.row[1][v]);
        }
      }
      sums_.EndRow();
    }
    __device__ __forceinline__ void Finish(const MarchPlace& place, const MarchArgs& a,
                                           double* shared) const {
      double sums[2][V];
      sums_.Get(sums);
      StoreSums<V>(sums, place, a, shared, map_.partial);
    }

   private:
    const StorePassedMap& map_;
    T* to_;
    const T* x_;
    float numbers_[V][3];
    MarchSums<V> sums_;
  };
};

}  // namespace nasengine::cuda
