// Small kernels of the kinds that the backend is made of, each right, or with one mistake planted
// in it: what the emulation has to notice.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

enum class Planted {
  kNothing,
  kNoBarrierAfterLoad,
  kHaloOffByOne,
  kTailPredicateDropped,
  kNotZeroFilled,
  kHalfReturnsBeforeBarrier,
  kReadsPastShared,
  kNoBarrierBeforeFinalSum,
  kNoTrailingBarrier,
  kPrefetchIntoWhatIsRead,
  kDepthPredicateDropped,
  kLaneEndsBeforeShuffle,
  kWaitsForTooFew,
};

inline constexpr int kStencilThreads = 64;

// y[i] = x[i - 1] + 2 x[i] + 3 x[i + 1], zeros outside: a tile with its halo through shared memory,
// as a depthwise convolution.   x y (n)   block (kStencilThreads)
template <Planted kBug>
__global__ void Stencil(const float* x, float* y, int n) {
  NAS_SHARED(float, tile, kStencilThreads + 2);
  const int t = static_cast<int>(threadIdx.x);
  const int first = static_cast<int>(blockIdx.x) * kStencilThreads - 1;
  for (int i = t; i < kStencilThreads + 2; i += kStencilThreads) {
    const int at = first + i;
    const bool inside = kBug == Planted::kHaloOffByOne ? at >= -1 && at < n : at >= 0 && at < n;
    if (inside) {
      tile[i] = x[at];
    } else if (kBug != Planted::kNotZeroFilled) {
      tile[i] = 0;
    }
  }
  if (kBug == Planted::kHalfReturnsBeforeBarrier && t >= kStencilThreads / 2) return;
  if (kBug != Planted::kNoBarrierAfterLoad) __syncthreads();
  const int past = kBug == Planted::kReadsPastShared ? 1 : 0;
  const float sum = tile[t] + 2 * tile[t + 1] + 3 * tile[t + 2 + past];
  const int to = first + 1 + t;
  if (kBug == Planted::kTailPredicateDropped || to < n) y[to] = sum;
}

inline constexpr int kSumThreads = 128;

// y[block] = the sum of the block's part of x: lanes by shuffles, warps through shared memory, as
// the gradient of weights.   x (blocks * kSumThreads)   block (kSumThreads)
template <Planted kBug>
__global__ void BlockSum(const float* x, float* y) {
  NAS_SHARED(float, of_warp, kSumThreads / kWarp);
  const int t = static_cast<int>(threadIdx.x);
  float sum = x[static_cast<int>(blockIdx.x) * kSumThreads + t];
  if (kBug == Planted::kLaneEndsBeforeShuffle && t == 5) return;
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(kAllLanes, sum, lanes);
  if (t % kWarp == 0) of_warp[t / kWarp] = sum;
  if (kBug != Planted::kNoBarrierBeforeFinalSum) __syncthreads();
  if (t == 0) {
    float total = 0;
    for (int warp = 0; warp < kSumThreads / kWarp; ++warp) total += of_warp[warp];
    y[blockIdx.x] = total;
  }
}

inline constexpr int kRows = 64;
inline constexpr int kDepthStep = 4;

// y[row] = sum over k of x[row][k] w[k], a step of k at a time through two buffers of which one is
// loaded while the other is read, as a matrix product.   x (kRows, depth)   w (depth)   block
// (kRows)
template <Planted kBug>
__global__ void BufferedProduct(const float* x, const float* w, float* y, int depth) {
  NAS_SHARED(float, weights, 2 * kDepthStep);
  const int t = static_cast<int>(threadIdx.x);
  const auto load = [&](int buffer, int begin) {
    if (t >= kDepthStep) return;
    const int k = begin + t;
    weights[buffer * kDepthStep + t] = k < depth ? w[k] : 0.0f;
  };
  float sum = 0;
  load(0, 0);
  __syncthreads();
  int buffer = 0;
  for (int begin = 0; begin < depth; begin += kDepthStep) {
    const int next = kBug == Planted::kPrefetchIntoWhatIsRead ? buffer : 1 - buffer;
    load(next, begin + kDepthStep);
    for (int i = 0; i < kDepthStep; ++i) {
      const bool inside = kBug == Planted::kDepthPredicateDropped || begin + i < depth;
      const float value = inside ? x[t * depth + begin + i] : 0.0f;
      sum += value * weights[buffer * kDepthStep + i];
    }
    if (kBug != Planted::kNoTrailingBarrier) __syncthreads();
    buffer = next;
  }
  y[t] = sum;
}

// y[i] = x[i] + x[i + n], where both halves arrive in groups of their own, the second while the
// first is used.   x (2 n)   block (n)
template <Planted kBug>
__global__ void AsyncSum(const float* x, float* y, int n) {
  NAS_SHARED(float, halves, 2 * kWarp);
  const int t = static_cast<int>(threadIdx.x);
  for (int half = 0; half < 2; ++half) {
    AsyncCopy<4>(halves + half * kWarp + t, x + half * n + t);
    AsyncCommit();
  }
  AsyncWait<kBug == Planted::kWaitsForTooFew ? 2 : 1>();
  float sum = halves[t];
  AsyncWait<0>();
  sum += halves[kWarp + t];
  y[t] = sum;
}

// d (16, 8) = a (16, 16) b (16, 8).   block (kWarp)
template <Planted kBug = Planted::kNothing>
__global__ void FragmentProduct(const BFloat16* a, const BFloat16* b, float* d) {
  const int lane = static_cast<int>(threadIdx.x);
  const int group = lane / 4;
  const int pair = lane % 4 * 2;
  const auto of_a = [&](int row, int k) {
    return a[row * 16 + k].bits | static_cast<std::uint32_t>(a[row * 16 + k + 1].bits) << 16;
  };
  const auto of_b = [&](int k, int column) {
    return b[k * 8 + column].bits | static_cast<std::uint32_t>(b[(k + 1) * 8 + column].bits) << 16;
  };
  const std::uint32_t fragment_a[4] = {of_a(group, pair), of_a(group + 8, pair),
                                       of_a(group, pair + 8), of_a(group + 8, pair + 8)};
  const std::uint32_t fragment_b[2] = {of_b(pair, group), of_b(pair + 8, group)};
  float sums[4] = {};
  TensorCoreProduct(sums, fragment_a, fragment_b);
  for (int i = 0; i < 4; ++i) d[(group + i / 2 * 8) * 8 + pair + i % 2] = sums[i];
}

}  // namespace nasengine::cuda
