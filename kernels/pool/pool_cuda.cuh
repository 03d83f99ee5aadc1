// Average and maximum pooling on CUDA, NHWC. A thread owns V channels of a pixel of what is
// written; backward passes gather over the windows that hold the pixel, so that each element has
// one owner and no sum depends on an order of threads.
//   x (n, h, w, c)   y (n, out_h, out_w, c)
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

// ConvGeometry as a kernel takes it; `groups` of V channels.
struct PoolGeometry {
  int h = 0;
  int w = 0;
  int out_h = 0;
  int out_w = 0;
  int channels = 0;
  int groups = 0;
  int kernel = 0;
  int stride = 0;
  int pad = 0;
  int row_blocks = 0;  // that share a row of what is written
};

inline constexpr int kPoolThreads = 256;

// Positions begin .. end - 1 along an axis.
struct PoolSpan {
  int begin = 0;
  int end = 0;
  __device__ __forceinline__ int size() const { return end - begin; }
};

// Inputs of an axis of `size` that output `out` sees.
__device__ __forceinline__ PoolSpan WindowOf(const PoolGeometry& g, int out, int size) {
  const int first = out * g.stride - g.pad;
  return {first < 0 ? 0 : first, first + g.kernel < size ? first + g.kernel : size};
}

// Outputs of an axis of `out_size` that see input `in`; empty where the stride skips it.
__device__ __forceinline__ PoolSpan OutputsOver(const PoolGeometry& g, int in, int out_size) {
  const int past_first = in + g.pad - g.kernel;
  const int begin = past_first < 0 ? 0 : past_first / g.stride + 1;
  const int end = (in + g.pad) / g.stride + 1;
  return {begin, end < out_size ? end : out_size};
}

// A thread's pixel of a map of `height` rows of `width`, and its channels.
struct PoolPlace {
  std::int64_t image = 0;
  int h = 0;
  int w = 0;
  int channel = 0;
  bool inside = false;
};

template <int V>
__device__ __forceinline__ PoolPlace PoolPlaceOf(const PoolGeometry& g, int height, int width) {
  const int row = static_cast<int>(blockIdx.x) / g.row_blocks;
  const int i =
      static_cast<int>(blockIdx.x) % g.row_blocks * kPoolThreads + static_cast<int>(threadIdx.x);
  return {row / height, row % height, i / g.groups, i % g.groups * V, i < width * g.groups};
}

__device__ __forceinline__ std::int64_t PoolAt(std::int64_t image, int h, int w, int height,
                                               int width, int channels) {
  return ((image * height + h) * width + w) * channels;
}

template <class T, int V>
__global__ void __launch_bounds__(kPoolThreads, 1)
    AveragePool(const T* __restrict__ x, T* __restrict__ y, PoolGeometry g) {
  const PoolPlace place = PoolPlaceOf<V>(g, g.out_h, g.out_w);
  if (!place.inside) return;
  const PoolSpan rows = WindowOf(g, place.h, g.h);
  const PoolSpan columns = WindowOf(g, place.w, g.w);
  float sum[V] = {};
  for (int h = rows.begin; h < rows.end; ++h) {
    for (int w = columns.begin; w < columns.end; ++w) {
      Vector<T, V> value;
      value.LoadReadOnly(x + PoolAt(place.image, h, w, g.h, g.w, g.channels) + place.channel);
#pragma unroll
      for (int v = 0; v < V; ++v) sum[v] += value.Get(v);
    }
  }
  const auto count = static_cast<float>(rows.size() * columns.size());
#pragma unroll
  for (int v = 0; v < V; ++v) sum[v] /= count;
  Vector<T, V> mean;
  mean.Set(sum);
  mean.Store(y + PoolAt(place.image, place.h, place.w, g.out_h, g.out_w, g.channels) +
             place.channel);
}

template <class T, int V>
__global__ void __launch_bounds__(kPoolThreads, 1)
    AveragePoolGradient(const T* __restrict__ dy, T* __restrict__ dx, PoolGeometry g) {
  const PoolPlace place = PoolPlaceOf<V>(g, g.h, g.w);
  if (!place.inside) return;
  const PoolSpan rows = OutputsOver(g, place.h, g.out_h);
  const PoolSpan columns = OutputsOver(g, place.w, g.out_w);
  float sum[V] = {};
  for (int h = rows.begin; h < rows.end; ++h) {
    for (int w = columns.begin; w < columns.end; ++w) {
      const auto count =
          static_cast<float>(WindowOf(g, h, g.h).size() * WindowOf(g, w, g.w).size());
      Vector<T, V> value;
      value.LoadReadOnly(dy + PoolAt(place.image, h, w, g.out_h, g.out_w, g.channels) +
                         place.channel);
#pragma unroll
      for (int v = 0; v < V; ++v) sum[v] += value.Get(v) / count;
    }
  }
  Vector<T, V> packed;
  packed.Set(sum);
  packed.Store(dx + PoolAt(place.image, place.h, place.w, g.h, g.w, g.channels) + place.channel);
}

// The largest elements of a window and where they are, row by row; the first of equal ones.
template <class T, int V>
struct WindowMaximum {
  float value[V];
  int at[V];  // h * width + w

  __device__ __forceinline__ WindowMaximum(const T* __restrict__ x, std::int64_t image, int out_h,
                                           int out_w, int channel, const PoolGeometry& g) {
    const PoolSpan rows = WindowOf(g, out_h, g.h);
    const PoolSpan columns = WindowOf(g, out_w, g.w);
    for (int h = rows.begin; h < rows.end; ++h) {
      for (int w = columns.begin; w < columns.end; ++w) {
        Vector<T, V> next;
        next.LoadReadOnly(x + PoolAt(image, h, w, g.h, g.w, g.channels) + channel);
        const bool first = h == rows.begin && w == columns.begin;
#pragma unroll
        for (int v = 0; v < V; ++v) {
          if (first || value[v] < next.Get(v)) {
            value[v] = next.Get(v);
            at[v] = h * g.w + w;
          }
        }
      }
    }
  }
};

template <class T, int V>
__global__ void __launch_bounds__(kPoolThreads, 1)
    MaximumPool(const T* __restrict__ x, T* __restrict__ y, PoolGeometry g) {
  const PoolPlace place = PoolPlaceOf<V>(g, g.out_h, g.out_w);
  if (!place.inside) return;
  const WindowMaximum<T, V> maximum(x, place.image, place.h, place.w, place.channel, g);
  Vector<T, V> packed;
  packed.Set(maximum.value);
  packed.Store(y + PoolAt(place.image, place.h, place.w, g.out_h, g.out_w, g.channels) +
               place.channel);
}

// Looks each window's maximum up again: windows overlap little, and nothing was kept.
template <class T, int V>
__global__ void __launch_bounds__(kPoolThreads, 1)
    MaximumPoolGradient(const T* __restrict__ x, const T* __restrict__ dy, T* __restrict__ dx,
                        PoolGeometry g) {
  const PoolPlace place = PoolPlaceOf<V>(g, g.h, g.w);
  if (!place.inside) return;
  const PoolSpan rows = OutputsOver(g, place.h, g.out_h);
  const PoolSpan columns = OutputsOver(g, place.w, g.out_w);
  float sum[V] = {};
  for (int h = rows.begin; h < rows.end; ++h) {
    for (int w = columns.begin; w < columns.end; ++w) {
      const WindowMaximum<T, V> maximum(x, place.image, h, w, place.channel, g);
      Vector<T, V> value;
      value.LoadReadOnly(dy + PoolAt(place.image, h, w, g.out_h, g.out_w, g.channels) +
                         place.channel);
#pragma unroll
      for (int v = 0; v < V; ++v) {
        if (maximum.at[v] == place.h * g.w + place.w) sum[v] += value.Get(v);
      }
    }
  }
  Vector<T, V> packed;
  packed.Set(sum);
  packed.Store(dx + PoolAt(place.image, place.h, place.w, g.h, g.w, g.channels) + place.channel);
}

inline constexpr int kMostGlobalLanes = 32;

// x (n, pixels, c) -> y (n, c). Block (groups of channels, threads that share the pixels of one
// image). A thread adds in runs, so that no f32 takes many numbers smaller than itself.
template <class T, int V>
__global__ void __launch_bounds__(kPoolThreads, 1)
    GlobalAverage(const T* __restrict__ x, T* __restrict__ y, int pixels, int channels,
                  int chunks) {
  constexpr int kRun = 16;
  NAS_SHARED(float, sums, kPoolThreads* V);
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  const int lanes = static_cast<int>(blockDim.x);
  const int streams = static_cast<int>(blockDim.y);
  const std::int64_t image = static_cast<int>(blockIdx.x) / chunks;
  const int channel = (static_cast<int>(blockIdx.x) % chunks * lanes + tx) * V;
  float sum[V] = {};
  for (int first = ty; first < pixels && channel < channels; first += kRun * streams) {
    float run[V] = {};
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      Vector<T, V> value;
      value.Clear();
      const int pixel = first + i * streams;
      if (pixel < pixels) value.LoadReadOnly(x + (image * pixels + pixel) * channels + channel);
#pragma unroll
      for (int v = 0; v < V; ++v) run[v] += value.Get(v);
    }
#pragma unroll
    for (int v = 0; v < V; ++v) sum[v] += run[v];
  }
#pragma unroll
  for (int v = 0; v < V; ++v) sums[(ty * lanes + tx) * V + v] = sum[v];
  __syncthreads();
  if (ty == 0 && channel < channels) {
#pragma unroll
    for (int v = 0; v < V; ++v) sum[v] = 0.f;
    for (int i = 0; i < streams; ++i) {
#pragma unroll
      for (int v = 0; v < V; ++v) sum[v] += sums[(i * lanes + tx) * V + v];
    }
#pragma unroll
    for (int v = 0; v < V; ++v) sum[v] /= static_cast<float>(pixels);
    Vector<T, V> mean;
    mean.Set(sum);
    mean.Store(y + image * channels + channel);
  }
}

// dy (n, c) -> dx (n, h, w, c); `g` of dx.
template <class T, int V>
__global__ void __launch_bounds__(kPoolThreads, 1)
    GlobalAverageGradient(const T* __restrict__ dy, T* __restrict__ dx, PoolGeometry g) {
  const PoolPlace place = PoolPlaceOf<V>(g, g.h, g.w);
  if (!place.inside) return;
  Vector<T, V> value;
  value.LoadReadOnly(dy + place.image * g.channels + place.channel);
  float spread[V];
#pragma unroll
  for (int v = 0; v < V; ++v) spread[v] = value.Get(v) / static_cast<float>(g.h * g.w);
  value.Set(spread);
  value.Store(dx + PoolAt(place.image, place.h, place.w, g.h, g.w, g.channels) + place.channel);
}

}  // namespace nasengine::cuda
