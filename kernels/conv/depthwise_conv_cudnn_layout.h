// Depthwise weights in cuDNN's order and back. Ours are (kernel, kernel, c), in which a thread
// finds its neighbours' channels beside its own; cuDNN's are (c, 1, kernel, kernel), and strides
// that say otherwise it takes without heeding them (kernels/cuda/cudnn_graph.h).
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace nasengine::cuda {

// `to` (c, kernel, kernel) = `from` (kernel, kernel, c). f32 or bf16; bf16 may become f32.
void ToCudnnWeights(Context& context, ConstView from, View to);

// `to` (kernel, kernel, c) = `from` (c, kernel, kernel), added to what is there if `accumulate`.
// f32.
void FromCudnnWeights(Context& context, ConstView from, bool accumulate, View to);

}  // namespace nasengine::cuda
