// Softmax cross-entropy with label smoothing, and where the true class ranks.
//   logits dlogits (n, classes) f32   labels rank (n) i32   loss one f32
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

// loss = mean over n of -sum_k t_k ln p_k, t = (1 - smoothing) * onehot + smoothing / classes,
// p = softmax(logits) (largest logit subtracted first, sums in f64).
// dlogits = (p - t) / n, the gradient of loss; may be empty (not wanted).
// rank[i] = number of classes placed before the true one (larger logit, or equal logit and smaller
// index): top-1 is right when rank is 0, top-5 when it is under 5; may be empty.
// A label outside [0, classes) throws kInvalidArgument on the CPU. A device cannot look before it
// runs: there the loss and the row's gradients become NaN, and its rank the number of classes.
struct SoftmaxCrossEntropy {
  static constexpr const char* kName = "softmax_cross_entropy";
  struct Args {
    ConstView logits;
    ConstView labels;
    float smoothing = 0;
    View loss;
    View dlogits;
    View rank;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// One registration function per implementation; kernels/register calls them.
void RegisterSoftmaxCrossEntropyReference(KernelRegistry& registry);
void RegisterSoftmaxCrossEntropyCpu(KernelRegistry& registry);
void RegisterSoftmaxCrossEntropyCuda(KernelRegistry& registry);  // in the CUDA plug-in

}  // namespace nasengine
