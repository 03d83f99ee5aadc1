// The vectorised depthwise convolution behind its operators: plain pointers, and work that is cut
// into numbered pieces for whoever owns the threads. T, the storage of tensors, is float or
// BFloat16; sums are f32.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/core/activation.h"
#include "kernels/core/tensor.h"

namespace nasengine::depthwise {

// Channels of one piece of work: one AVX-512 vector, of f32 a cache line.
inline constexpr std::int64_t kChannelGroup = 16;

// One convolution-like map from `in` (n, in_h, in_w, c) to `out` (n, out_h, out_w, c). Sizes name
// what is read and what is written, so in backward-data `in` is dy.
template <class T>
struct MapJob {
  const T* in = nullptr;
  const T* w = nullptr;         // the tap at (0, 0)
  const float* bias = nullptr;  // may be null
  T* out = nullptr;
  std::int64_t n = 0;
  std::int64_t in_h = 0;
  std::int64_t in_w = 0;
  std::int64_t out_h = 0;
  std::int64_t out_w = 0;
  std::int64_t c = 0;
  std::int64_t kernel = 0;
  std::int64_t stride = 0;
  std::int64_t pad = 0;
  std::int64_t tap_step = 0;  // elements from one tap to the next: c, or -c for flipped weights
  Activation activation = Activation::kNone;
  // Whether `in` comes from beyond the caches of a core, so that it pays to ask for it early.
  bool prefetch = false;
  // Whether `out` is written past the caches; only where vectors are aligned in it.
  bool stream = false;

  // Whether 3x3 tiles roll down, or walk along rows, which pays where nothing is asked for early.
  bool rolls() const { return kernel == 3 && !prefetch; }
  // Output rows done together for one channel group: so many that small maps find their weights in
  // L1, and that the rows with which a tile begins to roll are few beside the others; and so few
  // that threads find pieces to share.
  std::int64_t rows() const {
    constexpr std::int64_t kColumns = 224, kRolledColumns = 3136, kPieces = 16;
    const std::int64_t few = kColumns / out_w;
    const std::int64_t many = std::min(kRolledColumns / out_w, n * groups() * out_h / kPieces);
    return std::clamp<std::int64_t>(rolls() ? std::max(few, many) : few, 1, out_h);
  }
  std::int64_t blocks() const { return (out_h + rows() - 1) / rows(); }
  std::int64_t groups() const { return (c + kChannelGroup - 1) / kChannelGroup; }
  // Pieces, ordered by image, row block, channel group.
  std::int64_t pieces() const { return n * blocks() * groups(); }
};

// out[y, x] = activation(bias + sum over taps of in[y * stride - pad + kh, ...] * w[kh, kw]), for
// pieces [begin, end). kernel in {3, 5, 7}, stride in {1, 2}, pad < kernel.
void Gather(const MapJob<float>& job, std::int64_t begin, std::int64_t end);
void Gather(const MapJob<BFloat16>& job, std::int64_t begin, std::int64_t end);

// out[y, x] = sum over taps with y + pad - kh even of in[(y + pad - kh) / 2, ...] * w[kh, kw],
// which is the gradient of a stride 2 convolution. kernel in {3, 5, 7}, pad < kernel.
void GatherStride2Gradient(const MapJob<float>& job, std::int64_t begin, std::int64_t end);
void GatherStride2Gradient(const MapJob<BFloat16>& job, std::int64_t begin, std::int64_t end);

// Sums of x * dy for every tap. Geometry of the forward convolution, kernel in {3, 5, 7}, stride in
// {1, 2}, pad < kernel.
template <class T>
struct WeightsJob {
  const T* x = nullptr;
  const T* dy = nullptr;
  std::int64_t n = 0;
  std::int64_t h = 0;
  std::int64_t w = 0;
  std::int64_t out_h = 0;
  std::int64_t out_w = 0;
  std::int64_t c = 0;
  std::int64_t kernel = 0;
  std::int64_t stride = 0;
  std::int64_t pad = 0;
  bool prefetch = false;  // as in MapJob

  // Rows that a tile of columns goes down while its sums stay in registers: about 64 terms a sum,
  // so that the rounding of millions of terms stays that of a few dozen.
  std::int64_t sum_rows() const { return std::max<std::int64_t>(4, 64 / out_w); }
  // Rows that it goes down before the next channel group's does: several times as many, so that few
  // rows are read again by the next block, unless f32 comes from memory, which bounds all else.
  std::int64_t rows() const {
    const bool memory_bound = prefetch && std::is_same_v<T, float>;
    return std::min(out_h, (memory_bound ? 1 : 4) * sum_rows());
  }
  std::int64_t blocks() const { return (out_h + rows() - 1) / rows(); }
  std::int64_t groups() const { return (c + kChannelGroup - 1) / kChannelGroup; }
  // Row blocks of all images.
  std::int64_t items() const { return n * blocks(); }
};

// Sets of partial sums of dw, one after the other; only the kernels know how a set is laid out.
struct PartialSums {
  float* data = nullptr;
  std::int64_t parts = 0;
  std::int64_t c = 0;
  std::int64_t taps = 0;

  std::int64_t groups() const { return (c + kChannelGroup - 1) / kChannelGroup; }
  // Floats of a set: every sum, and what its rounding has lost.
  std::int64_t part_size() const { return 2 * groups() * kChannelGroup * taps; }
};

// Sums items [item_begin, item_end) of channel groups [group_begin, group_end) into that part of
// the set `partial`, which is overwritten.
void PartialWeights(const WeightsJob<float>& job, std::int64_t item_begin, std::int64_t item_end,
                    std::int64_t group_begin, std::int64_t group_end, float* partial);
void PartialWeights(const WeightsJob<BFloat16>& job, std::int64_t item_begin, std::int64_t item_end,
                    std::int64_t group_begin, std::int64_t group_end, float* partial);

// dw[tap, c] = (accumulate ? dw : 0) + the partial sums in the order of their parts, for the
// channels of [group_begin, group_end).
void CombineWeights(const PartialSums& sums, std::int64_t group_begin, std::int64_t group_end,
                    bool accumulate, float* dw);

}  // namespace nasengine::depthwise
