// Plans of oneDNN's convolution primitive, shared by the dense, depthwise and pointwise operators,
// which differ in the meaning of their weights only. For *_onednn.cc.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/conv_geometry.h"
#include "kernels/core/onednn_check.h"

namespace nasengine {

// Dense: w (c_out, k, k, c_in), for k = 1 also (c_out, c_in). Depthwise: w (k, k, c).
enum class ConvWeights { kDense, kDepthwise };

// Images stay NHWC. Weights are reordered on the way in, their gradient on the way out, through the
// workspace, because every fast primitive wants its own blocked layout. Images and weights are of
// `dtype`, bias and the weights' gradient f32.
// Tensors to bind: x, w, bias (if `has_bias`), y.
void BuildConvForward(OnednnPlan& plan, const ConvGeometry& geometry, ConvWeights weights,
                      DType dtype, bool has_bias, Activation activation);
// dy, w, dx.
void BuildConvBackwardData(OnednnPlan& plan, const ConvGeometry& geometry, ConvWeights weights,
                           DType dtype);
// x, dy, dw.
void BuildConvBackwardWeights(OnednnPlan& plan, const ConvGeometry& geometry, ConvWeights weights,
                              DType dtype, bool accumulate);

// The numbers of a geometry, the type of its tensors and two more, as a key of OnednnCache.
OnednnCache::Numbers ConvNumbers(const ConvGeometry& geometry, DType dtype, std::int64_t a = 0,
                                 std::int64_t b = 0);

}  // namespace nasengine
