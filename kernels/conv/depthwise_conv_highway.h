// The vectorised depthwise convolution behind its operators: plain pointers, and work that is cut
// into numbered pieces for whoever owns the threads.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/core/activation.h"

namespace nasengine::depthwise {

// Channels of one piece of work: one AVX-512 vector, a cache line.
inline constexpr std::int64_t kChannelGroup = 16;

// One convolution-like map from `in` (n, in_h, in_w, c) to `out` (n, out_h, out_w, c). Sizes name
// what is read and what is written, so in backward-data `in` is dy.
struct MapJob {
  const float* in = nullptr;
  const float* w = nullptr;     // the tap at (0, 0)
  const float* bias = nullptr;  // may be null
  float* out = nullptr;
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

  // Output rows done together for one channel group, so that small maps find their weights in L1.
  std::int64_t rows() const { return std::clamp<std::int64_t>(224 / out_w, 1, out_h); }
  std::int64_t blocks() const { return (out_h + rows() - 1) / rows(); }
  std::int64_t groups() const { return (c + kChannelGroup - 1) / kChannelGroup; }
  // Pieces, ordered by image, row block, channel group.
  std::int64_t pieces() const { return n * blocks() * groups(); }
};

// out[y, x] = activation(bias + sum over taps of in[y * stride - pad + kh, ...] * w[kh, kw]), for
// pieces [begin, end). kernel in {3, 5, 7}, stride in {1, 2}.
void Gather(const MapJob& job, std::int64_t begin, std::int64_t end);

// out[y, x] = sum over taps with y + pad - kh even of in[(y + pad - kh) / 2, ...] * w[kh, kw],
// which is the gradient of a stride 2 convolution. kernel in {3, 5, 7}.
void GatherStride2Gradient(const MapJob& job, std::int64_t begin, std::int64_t end);

// Sums of x * dy for every tap. Geometry of the forward convolution.
struct WeightsJob {
  const float* x = nullptr;
  const float* dy = nullptr;
  std::int64_t n = 0;
  std::int64_t h = 0;
  std::int64_t w = 0;
  std::int64_t out_h = 0;
  std::int64_t out_w = 0;
  std::int64_t c = 0;
  std::int64_t kernel = 0;
  std::int64_t stride = 0;
  std::int64_t pad = 0;

  std::int64_t rows() const { return std::clamp<std::int64_t>(112 / out_w, 1, out_h); }
  std::int64_t blocks() const { return (out_h + rows() - 1) / rows(); }
  std::int64_t groups() const { return (c + kChannelGroup - 1) / kChannelGroup; }
  // Row blocks of all images.
  std::int64_t items() const { return n * blocks(); }
  // Floats of one set of partial sums, each with what its rounding has lost.
  std::int64_t partial_size() const { return 2 * groups() * kChannelGroup * kernel * kernel; }
};

// Sums items [item_begin, item_end) of channel groups [group_begin, group_end) into that part of
// `partial`, whose layout only CombineWeights knows; it is overwritten.
void PartialWeights(const WeightsJob& job, std::int64_t item_begin, std::int64_t item_end,
                    std::int64_t group_begin, std::int64_t group_end, float* partial);

// dw[tap, c] = (accumulate ? dw : 0) + the `parts` partial sums in their order, for the channels of
// [group_begin, group_end).
void CombineWeights(const WeightsJob& job, const float* partials, std::int64_t parts,
                    std::int64_t group_begin, std::int64_t group_end, bool accumulate, float* dw);

}  // namespace nasengine::depthwise
