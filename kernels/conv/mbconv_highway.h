// The fused MBConv behind its operators, its work cut into ranges for whoever owns the threads. An
// expanded tensor is written once with its statistics gathered, and read with the batch norm and
// the activation applied on the way. Tensors of a job, and weights to be packed, have one type, f32
// or bf16; everything else is f32.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/core/tensor.h"
#include "kernels/norm/batch_norm_highway.h"

namespace nasengine::mbconv {

using batch_norm::Affine;
using batch_norm::NormGradient;

// Floats of a cache line, the unit in which rows of scratch are padded.
inline constexpr std::int64_t kGroup = 16;
inline std::int64_t Padded(std::int64_t floats) { return (floats + kGroup - 1) / kGroup * kGroup; }

// Rows (pixels) of a product that are taken together, a multiple of every tile's rows.
inline constexpr std::int64_t kPanelRows = 48;

// Floats that a packed (depth, columns) matrix takes.
inline std::int64_t PackedSize(std::int64_t depth, std::int64_t columns) {
  return depth * Padded(columns);
}

// One thread's sums over rows for every channel of one batch norm: of the values and their squares
// less `pivot`, a guess at the mean taken from the first rows; or of a gradient and its product
// with the distance from the mean. f32 within a few rows, f64 across them.
struct ChannelSums {
  std::int64_t c = 0;
  float* pivot = nullptr;
  float* block = nullptr;    // (2, c)
  double* totals = nullptr;  // (2, c)

  void Start() const {
    std::fill(block, block + 2 * c, 0.0f);
    std::fill(totals, totals + 2 * c, 0.0);
  }
  void Flush() const {
    for (std::int64_t i = 0; i < 2 * c; ++i) totals[i] += double{block[i]};
    std::fill(block, block + 2 * c, 0.0f);
  }
};

// packed = the (depth, columns) matrix with element (d, j) at w[d * depth_step + j * column_step],
// in the factors that products of its type take; part `part` of `parts`.
void Pack(ConstView w, std::int64_t depth, std::int64_t depth_step, std::int64_t columns,
          std::int64_t column_step, float* packed, std::int64_t part, std::int64_t parts);

// out = act(in) * packed, with in (rows, depth) as it is, or normalised; sums of out.
struct ProductJob {
  ConstView in;
  const Affine* norm = nullptr;  // null: `in` as it is
  const float* packed = nullptr;
  View out;
  std::int64_t depth = 0;
  std::int64_t columns = 0;
};
void ProductRows(const ProductJob& job, std::int64_t begin, std::int64_t end, float* scratch,
                 const ChannelSums& sums);

// Backward through the projection: from dy and the projection's output o the gradient of the
// depthwise output's batch norm, where the activation passes it, and its sums; and
// dw (c_out, expanded) += its weights' gradient, when wanted.
struct ProjectGradientJob {
  ConstView dy;
  ConstView o;
  NormGradient norm;              // of o
  const float* packed = nullptr;  // (c_out, expanded)
  ConstView e2;
  Affine e2_norm;
  View g2;
  float* dw = nullptr;  // (c_out, Padded(expanded)), may be null
  std::int64_t c_out = 0;
  std::int64_t expanded = 0;
};
void ProjectGradientRows(const ProjectGradientJob& job, std::int64_t begin, std::int64_t end,
                         float* scratch, const ChannelSums& sums);

// Backward through the expansion: dx, and dw (c_in, expanded) += its weights' gradient, each when
// wanted.
struct ExpandGradientJob {
  ConstView g1;
  ConstView e1;
  NormGradient norm;              // of e1
  const float* packed = nullptr;  // (expanded, c_in)
  ConstView x;
  View dx;              // may be empty
  float* dw = nullptr;  // (c_in, Padded(expanded)), may be null
  std::int64_t c_in = 0;
  std::int64_t expanded = 0;
};
void ExpandGradientRows(const ExpandGradientJob& job, std::int64_t begin, std::int64_t end,
                        float* scratch);

// Sizes of the depthwise convolution; the padding is kernel / 2.
struct DepthwiseSizes {
  std::int64_t h = 0;
  std::int64_t w = 0;
  std::int64_t out_h = 0;
  std::int64_t out_w = 0;
  std::int64_t c = 0;
  std::int64_t kernel = 0;
  std::int64_t stride = 0;

  std::int64_t pad() const { return kernel / 2; }
  // Input rows that advance together: as many as leave one channel group's window in the
  // first-level cache, so that sums are brought to memory less often.
  std::int64_t step() const {
    constexpr std::int64_t kCacheFloats = 6 * 1024;
    const std::int64_t rows = kCacheFloats / (kGroup * (w + kernel)) - kernel;
    return std::clamp<std::int64_t>(rows / stride, 1, out_h) * stride;
  }
  // Rows and columns of the rolling windows over the normalised input and the output's gradient.
  std::int64_t in_rows() const { return step() + kernel; }
  // The last tile of a row passes its end by three columns of the output at most, since a width of
  // four is always among those chosen from, and by thirteen of the input under stride 2.
  std::int64_t in_columns() const { return (out_w + 3) * stride + kernel; }
  std::int64_t gradient_rows() const { return step() / stride + kernel; }
  std::int64_t gradient_columns() const { return (w + stride - 1) / stride + 24; }
  std::int64_t in_window_floats() const { return in_rows() * in_columns() * Padded(c); }
  std::int64_t gradient_window_floats() const {
    return gradient_rows() * gradient_columns() * Padded(c);
  }
  // Room for the rows of a result that advance together, which only those of bf16 need.
  std::int64_t result_rows_floats(DType dtype) const {
    return dtype == DType::kBf16 ? Padded(step() * w * c / 2) : 0;
  }
};

// e2 = depthwise(act(in)), rows [begin, end) of all images' output rows; sums of e2.
struct DepthwiseJob {
  DepthwiseSizes sizes;
  ConstView in;
  const Affine* norm = nullptr;  // null: `in` as it is
  const float* w = nullptr;      // (kernel, kernel, c)
  View out;
};
void DepthwiseRows(const DepthwiseJob& job, std::int64_t begin, std::int64_t end, float* scratch,
                   const ChannelSums& sums);

// Backward through the depthwise convolution, whole images [begin, end): g1, the gradient of the
// expansion's batch norm where its activation passes it, with its sums; or, without a batch norm,
// of the input itself. dw (kernel * kernel, Padded(c)) += its weights' gradient, when wanted.
// g1 may be g2 when the stride is 1.
struct DepthwiseGradientJob {
  DepthwiseSizes sizes;
  ConstView g2;
  ConstView e2;
  NormGradient norm;                // of e2
  ConstView in;                     // not read without both a batch norm and dw
  const Affine* in_norm = nullptr;  // null: `in` as it is
  const float* w = nullptr;
  View g1;              // may be empty
  float* dw = nullptr;  // may be null
};
void DepthwiseGradientImages(const DepthwiseGradientJob& job, std::int64_t begin, std::int64_t end,
                             float* scratch, const ChannelSums& sums);

}  // namespace nasengine::mbconv
