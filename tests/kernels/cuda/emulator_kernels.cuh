// Small kernels like ours, right and with one bug each, for the tests of the emulation: what is
// wrong in them must be caught. A comment in [brackets] marks a line that a report is to name.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda::sample {

enum class Bug {
  kNone,
  kBarrierAfterLoadMissing,
  kTileNotZeroFilled,
  kHaloOffByOne,
  kChannelTailStored,
  kBarrierBeforeSumMissing,
  kHalfReturns,
  kLaneReturns,
  kSharedReadPastEnd,
  kTrailingBarrierMissing,
  kKTailLoaded,
  kWaitTooShort,
};

// y = x * w, a 3 x 3 convolution of each channel over x (h, w, channels), zero outside. Block
// (x, y): row blockIdx.y, kConvThreads / kConvChannels columns, kConvChannels channels.
inline constexpr int kConvChannels = 8;
inline constexpr int kConvColumns = 4;
inline constexpr int kConvThreads = kConvChannels * kConvColumns * 2;  // 2 rows
template <Bug kBug>
__global__ void Convolve(const float* __restrict__ x, const float* __restrict__ weights,
                         float* __restrict__ y, int height, int width, int channels) {
  constexpr int kRows = kConvThreads / (kConvChannels * kConvColumns);
  constexpr int kTileWidth = kConvColumns + 2;
  constexpr int kTile = (kRows + 2) * kTileWidth * kConvChannels;
  NAS_SHARED(float, tile, kTile);
  const int first_row = static_cast<int>(blockIdx.y) * kRows;
  const int column_blocks = (width + kConvColumns - 1) / kConvColumns;
  const int first_column = static_cast<int>(blockIdx.x) % column_blocks * kConvColumns;
  const int first_channel = static_cast<int>(blockIdx.x) / column_blocks * kConvChannels;
  for (int i = static_cast<int>(threadIdx.x); i < kTile; i += kConvThreads) {
    const int channel = first_channel + i % kConvChannels;
    const int column = first_column - 1 + i / kConvChannels % kTileWidth;
    const int row = first_row - 1 + i / (kConvChannels * kTileWidth);
    const int beyond = kBug == Bug::kHaloOffByOne ? height + 1 : height;
    const bool inside =
        row >= 0 && row < beyond && column >= 0 && column < width && channel < channels;
    if (inside) {
      const float value = x[(row * width + column) * channels + channel];  // [tile load]
      tile[i] = value;                                                     // [tile store]
    } else if (kBug != Bug::kTileNotZeroFilled) {
      tile[i] = 0;
    }
  }
  if (kBug != Bug::kBarrierAfterLoadMissing) __syncthreads();
  const int channel = static_cast<int>(threadIdx.x) % kConvChannels;
  const int column = static_cast<int>(threadIdx.x) / kConvChannels % kConvColumns;
  const int row = static_cast<int>(threadIdx.x) / (kConvChannels * kConvColumns);
  const bool has_channel = first_channel + channel < channels;
  float sum = 0;
  for (int dy = 0; dy < 3; ++dy) {
    for (int dx = 0; dx < 3; ++dx) {
      const int at = ((row + dy) * kTileWidth + column + dx) * kConvChannels + channel;
      const float weight =
          has_channel ? weights[(dy * 3 + dx) * channels + first_channel + channel] : 0.0f;
      sum += weight * tile[at];  // [tile read]
    }
  }
  const bool inside = first_row + row < height && first_column + column < width;
  if (inside && (has_channel || kBug == Bug::kChannelTailStored)) {
    y[((first_row + row) * width + first_column + column) * channels + first_channel + channel] =
        sum;  // [channel store]
  }
}

// sums[block] = the sum of the block's share of x (n).
inline constexpr int kSumThreads = 128;
template <Bug kBug>
__global__ void SumOfBlock(const float* __restrict__ x, float* __restrict__ sums, int n) {
  constexpr int kWarps = kSumThreads / kWarp;
  NAS_SHARED(float, partial, kWarps);
  const int i = static_cast<int>(blockIdx.x) * kSumThreads + static_cast<int>(threadIdx.x);
  if (kBug == Bug::kHalfReturns && threadIdx.x >= kSumThreads / 2) return;
  if (kBug == Bug::kLaneReturns && i >= n) return;
  float value = i < n ? x[i] : 0;
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);  // [warp sum]
  }
  if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = value;  // [partial store]
  if (kBug != Bug::kBarrierBeforeSumMissing) __syncthreads();          // [sum barrier]
  if (threadIdx.x == 0) {
    float sum = 0;
    const int warps = kBug == Bug::kSharedReadPastEnd ? kWarps + 1 : kWarps;
    for (int warp = 0; warp < warps; ++warp) sum += partial[warp];  // [partial read]
    sums[blockIdx.x] = sum;
  }
}

// c (m, n) = a (m, k) b (k, n), in tiles of which one is loaded while another is used.
inline constexpr int kProductTile = 16;
inline constexpr int kProductDepth = 8;
template <Bug kBug>
__global__ void Multiply(const float* __restrict__ a, const float* __restrict__ b,
                         float* __restrict__ c, int m, int n, int k) {
  constexpr int kTile = kProductTile * kProductDepth;
  NAS_SHARED(float, a_tiles, 2 * kTile);
  NAS_SHARED(float, b_tiles, 2 * kTile);
  const int row = static_cast<int>(blockIdx.y) * kProductTile + static_cast<int>(threadIdx.y);
  const int column = static_cast<int>(blockIdx.x) * kProductTile + static_cast<int>(threadIdx.x);
  const int thread = static_cast<int>(threadIdx.y) * kProductTile + static_cast<int>(threadIdx.x);
  const auto load = [&](int step) {
    if (thread >= kTile) return;
    float* a_tile = a_tiles + step % 2 * kTile;
    float* b_tile = b_tiles + step % 2 * kTile;
    const int a_row = static_cast<int>(blockIdx.y) * kProductTile + thread / kProductDepth;
    const int a_k = step * kProductDepth + thread % kProductDepth;
    const int b_k = step * kProductDepth + thread / kProductTile;
    const int b_column = static_cast<int>(blockIdx.x) * kProductTile + thread % kProductTile;
    const bool a_inside = a_row < m && (a_k < k || kBug == Bug::kKTailLoaded);
    a_tile[thread] = a_inside ? a[a_row * k + a_k] : 0;  // [a load]
    b_tile[thread] = b_k < k && b_column < n ? b[b_k * n + b_column] : 0;
  };
  const int steps = (k + kProductDepth - 1) / kProductDepth;
  load(0);
  __syncthreads();
  float sum = 0;
  for (int step = 0; step < steps; ++step) {
    if (step + 1 < steps) load(step + 1);
    const float* a_tile = a_tiles + step % 2 * kTile + threadIdx.y * kProductDepth;
    const float* b_tile = b_tiles + step % 2 * kTile + threadIdx.x;
    for (int i = 0; i < kProductDepth; ++i) {
      sum += a_tile[i] * b_tile[i * kProductTile];  // [tiles read]
    }
    if (kBug != Bug::kTrailingBarrierMissing) __syncthreads();
  }
  if (row < m && column < n) c[row * n + column] = sum;
}

// y[i] = the sum over j of x[j * kPipeWidth + i], j < rows: rows come by asynchronous copies, two
// at a time. Its trailing barrier keeps the next copy from what others still read.
inline constexpr int kPipeWidth = 64;
template <Bug kBug>
__global__ void SumRows(const float* __restrict__ x, float* __restrict__ y, int rows) {
  NAS_DYNAMIC_SHARED(float, buffers);
  const int thread = static_cast<int>(threadIdx.x);
  const auto load = [&](int row) {
    if (thread < kPipeWidth / 4) {
      AsyncCopy<16>(buffers + row % 2 * kPipeWidth + 4 * thread,
                    x + static_cast<std::ptrdiff_t>(row) * kPipeWidth + 4 * thread,
                    row < rows);  // [copy]
    }
    AsyncCommit();
  };
  load(0);
  float sum = 0;
  for (int row = 0; row < rows; ++row) {
    load(row + 1);
    AsyncWait<kBug == Bug::kWaitTooShort ? 2 : 1>();
    __syncthreads();
    sum += buffers[row % 2 * kPipeWidth + (thread + 1) % kPipeWidth];  // [row read]
    if (kBug != Bug::kTrailingBarrierMissing) __syncthreads();
  }
  y[(thread + 1) % kPipeWidth] = sum;
}

// d (16, 8) = c (16, 8) + a (16, 16) b (16, 8) by one warp; a and b as bf16.
__global__ inline void MultiplyOnTensorCore(const BFloat16* __restrict__ a,
                                            const BFloat16* __restrict__ b,
                                            const float* __restrict__ c, float* __restrict__ d) {
  const int group = static_cast<int>(threadIdx.x) / 4;
  const int pair = static_cast<int>(threadIdx.x) % 4 * 2;
  const auto two = [](const BFloat16& low, const BFloat16& high) {
    return static_cast<std::uint32_t>(low.bits) | static_cast<std::uint32_t>(high.bits) << 16;
  };
  std::uint32_t a_words[4];
  std::uint32_t b_words[2];
  float sums[4];
  for (int i = 0; i < 4; ++i) {
    const BFloat16* from = a + (group + i % 2 * 8) * 16 + pair + i / 2 * 8;
    a_words[i] = two(from[0], from[1]);
    sums[i] = c[(group + i / 2 * 8) * 8 + pair + i % 2];
  }
  for (int i = 0; i < 2; ++i) {
    const BFloat16* from = b + (pair + i * 8) * 8 + group;
    b_words[i] = two(from[0], from[8]);
  }
  TensorCoreProduct(sums, a_words, b_words);
  for (int i = 0; i < 4; ++i) d[(group + i / 2 * 8) * 8 + pair + i % 2] = sums[i];
}

}  // namespace nasengine::cuda::sample
