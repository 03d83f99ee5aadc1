// Depthwise convolution on CUDA for every geometry, channel count and address, plainly: an element
// a thread.
//   x (n, h, w, c)   w (k, k, c)   y (n, out_h, out_w, c)
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

// ConvGeometry as a kernel takes it.
struct PlainGeometry {
  std::int64_t pixels = 0;  // of the map that is written, or of dy
  int h = 0;
  int w = 0;
  int out_h = 0;
  int out_w = 0;
  int channels = 0;
  int kernel = 0;
  int stride = 0;
  int pad = 0;
};

inline constexpr int kPlainThreads = 256;

// The first position of the window of output `out`.
__device__ __forceinline__ int WindowStart(const PlainGeometry& g, int out) {
  return out * g.stride - g.pad;
}

// y, an element a thread.
template <class T>
__global__ void __launch_bounds__(kPlainThreads)
    DepthwisePlainForward(const T* __restrict__ x, const T* __restrict__ w,
                          const float* __restrict__ bias, T* __restrict__ y, PlainGeometry g,
                          Activation activation) {
  const std::int64_t i =
      static_cast<std::int64_t>(blockIdx.x) * kPlainThreads + static_cast<int>(threadIdx.x);
  if (i >= g.pixels * g.channels) return;
  const std::int64_t pixel = i / g.channels;
  const int c = static_cast<int>(i % g.channels);
  const int h0 = WindowStart(g, static_cast<int>(pixel / g.out_w % g.out_h));
  const int w0 = WindowStart(g, static_cast<int>(pixel % g.out_w));
  const T* image = x + pixel / g.out_w / g.out_h * g.h * g.w * g.channels;
  float sum = bias != nullptr ? bias[c] : 0.f;
  for (int kh = 0; kh < g.kernel; ++kh) {
    for (int kw = 0; kw < g.kernel; ++kw) {
      const int h = h0 + kh;
      const int col = w0 + kw;
      if (h < 0 || h >= g.h || col < 0 || col >= g.w) continue;
      sum = fmaf(ToFloat(image[(static_cast<std::int64_t>(h) * g.w + col) * g.channels + c]),
                 ToFloat(w[static_cast<std::int64_t>(kh * g.kernel + kw) * g.channels + c]), sum);
    }
  }
  y[i] = FromFloat<T>(Activate(sum, activation));
}

// dx, an element a thread.
template <class T>
__global__ void __launch_bounds__(kPlainThreads)
    DepthwisePlainBackwardData(const T* __restrict__ dy, const T* __restrict__ w,
                               T* __restrict__ dx, PlainGeometry g) {
  const std::int64_t i =
      static_cast<std::int64_t>(blockIdx.x) * kPlainThreads + static_cast<int>(threadIdx.x);
  if (i >= g.pixels * g.channels) return;
  const std::int64_t pixel = i / g.channels;
  const int c = static_cast<int>(i % g.channels);
  const int h = static_cast<int>(pixel / g.w % g.h);
  const int col = static_cast<int>(pixel % g.w);
  const T* image = dy + pixel / g.w / g.h * g.out_h * g.out_w * g.channels;
  float sum = 0.f;
  for (int kh = 0; kh < g.kernel; ++kh) {
    const int oh = h + g.pad - kh;
    if (oh < 0 || oh % g.stride != 0 || oh / g.stride >= g.out_h) continue;
    for (int kw = 0; kw < g.kernel; ++kw) {
      const int ow = col + g.pad - kw;
      if (ow < 0 || ow % g.stride != 0 || ow / g.stride >= g.out_w) continue;
      const std::int64_t at = static_cast<std::int64_t>(oh / g.stride) * g.out_w + ow / g.stride;
      sum = fmaf(ToFloat(image[at * g.channels + c]),
                 ToFloat(w[static_cast<std::int64_t>(kh * g.kernel + kw) * g.channels + c]), sum);
    }
  }
  dx[i] = FromFloat<T>(sum);
}

inline constexpr int kPlainLanes = 32;   // channels of a block, threadIdx.x
inline constexpr int kPlainStreams = 8;  // threads that share them, threadIdx.y

// partial (parts, k, k, c): block (chunk of channels, tap, part) sums its share of dy's pixels.
template <class T>
__global__ void __launch_bounds__(kPlainLanes* kPlainStreams)
    DepthwisePlainWeightSums(const T* __restrict__ x, const T* __restrict__ dy,
                             float* __restrict__ partial, PlainGeometry g, int chunks, int parts) {
  NAS_SHARED(float, streams, kPlainStreams* kPlainLanes);
  const int taps = g.kernel * g.kernel;
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  const int c = static_cast<int>(blockIdx.x) % chunks * kPlainLanes + tx;
  const int tap = static_cast<int>(blockIdx.x) / chunks % taps;
  const int part = static_cast<int>(blockIdx.x) / chunks / taps;
  float sum = 0.f;
  const std::int64_t step = static_cast<std::int64_t>(parts) * kPlainStreams;
  for (std::int64_t pixel = part * kPlainStreams + ty; pixel < g.pixels; pixel += step) {
    const int h = WindowStart(g, static_cast<int>(pixel / g.out_w % g.out_h)) + tap / g.kernel;
    const int col = WindowStart(g, static_cast<int>(pixel % g.out_w)) + tap % g.kernel;
    if (c >= g.channels || h < 0 || h >= g.h || col < 0 || col >= g.w) continue;
    const std::int64_t at = (pixel / g.out_w / g.out_h * g.h + h) * g.w + col;
    sum = fmaf(ToFloat(x[at * g.channels + c]), ToFloat(dy[pixel * g.channels + c]), sum);
  }
  streams[ty * kPlainLanes + tx] = sum;
  __syncthreads();
  if (ty == 0 && c < g.channels) {
    sum = 0.f;
    for (int i = 0; i < kPlainStreams; ++i) sum += streams[i * kPlainLanes + tx];
    partial[(static_cast<std::int64_t>(part) * taps + tap) * g.channels + c] = sum;
  }
}

}  // namespace nasengine::cuda
