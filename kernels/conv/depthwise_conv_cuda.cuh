// What our CUDA kernels of depthwise convolution share on the device: where in the map a thread
// stands, and the kernel's taps in shared memory. All of them march: a thread keeps sums for a
// strip of columns in registers and walks down the rows, so that each input row is read once.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

// MarchMap and MarchPlan (depthwise_conv_cuda_traffic.h) as a kernel takes them, and what differs
// among its uses.
struct MarchArgs {
  int all_images = 0;
  int channels = 0;
  int in_h = 0;
  int in_w = 0;
  int out_h = 0;
  int out_w = 0;
  int pad = 0;
  int chunks = 0;
  int groups = 0;
  int images = 0;
  int strips = 0;
  int column_blocks = 0;
  int rows = 0;
  int bands = 0;
  int parts = 0;
  bool turned = false;       // taps in reverse order
  bool copies_wide = false;  // rows cross to shared memory by 16 bytes
};

// A thread's share of one block: rows first .. first + rows - 1 of a strip that begins at `column`.
struct MarchPlace {
  int chunk = 0;
  int channel = 0;
  int image = 0;
  int first = 0;
  int rows = 0;
  int column = 0;
  bool inside = false;  // else the thread has nothing to compute
};

__device__ __forceinline__ int Smaller(int a, int b) { return a < b ? a : b; }

// Of units `kWidth` of which a thread takes `kVector` channels wide.
template <int kVector, int kWidth>
__device__ __forceinline__ MarchPlace PlaceOf(const MarchArgs& a) {
  int block = static_cast<int>(blockIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  MarchPlace place;
  place.chunk = block % a.chunks;
  block /= a.chunks;
  place.column = (block % a.column_blocks * a.strips + ty % a.strips) * kWidth;
  block /= a.column_blocks;
  place.first = block % a.bands * a.rows;
  place.rows = Smaller(a.rows, a.out_h - place.first);
  place.image = block / a.bands * a.images + ty / a.strips;
  place.channel = (place.chunk * a.groups + static_cast<int>(threadIdx.x)) * kVector;
  place.inside = place.channel < a.channels && place.image < a.all_images && place.column < a.out_w;
  return place;
}

// The element of an NHWC map where a pixel's channels begin.
__device__ __forceinline__ std::int64_t PixelAt(int image, int row, int column, int height,
                                                int width, int channels) {
  return ((std::int64_t{image} * height + row) * width + column) * channels;
}

__device__ __forceinline__ bool Within(int position, int size) {
  return static_cast<unsigned>(position) < static_cast<unsigned>(size);
}

// taps (count, groups * vector) <- w (count, channels): the block's channels of it, zeros beyond.
template <class T>
__device__ __forceinline__ void LoadTaps(const T* __restrict__ w, int count, int wide, int chunk,
                                         const MarchArgs& a, float* taps) {
  const int threads = static_cast<int>(blockDim.x * blockDim.y);
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  for (int i = thread; i < count * wide; i += threads) {
    const int tap = i / wide;
    const int channel = chunk * wide + i % wide;
    const int to = (a.turned ? count - 1 - tap : tap) * wide + i % wide;
    taps[to] = channel < a.channels
                   ? ToFloat(w[static_cast<std::int64_t>(tap) * a.channels + channel])
                   : 0.f;
  }
}

}  // namespace nasengine::cuda
