// The inner product of a gradient with a batch norm's result, which is not written: what a gate's
// gradient asks of a candidate whose output is used for nothing else.
//   x dy (n, h, w, c)   gamma beta mean inv_std (c)   result (1)
// x and dy have one type, f32 or bf16; all else is f32. [ProxylessNAS 2019, section 3.2]
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

// result = sum over i of dy[i] * (gamma * (x[i] - mean) * inv_std + beta), the rest being of i's
// channel c; which is the sum over c of gamma * inv_std * P + beta * S, with S the sum of dy and P
// that of dy * (x - mean), the sums that batch norm's gradients are made of. Sums over many rows
// and over channels are f64. Deterministic for a thread count.
struct BatchNormInnerProduct {
  static constexpr const char* kName = "batch_norm_inner_product";
  struct Args {
    ConstView x;
    ConstView dy;
    ConstView gamma;
    ConstView beta;
    ConstView mean;
    ConstView inv_std;
    View result;  // one f32
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// Throws kInvalidArgument where shapes or types do not fit together; f64 takes all views in f64.
void CheckArguments(const BatchNormInnerProduct::Args& args);

// One registration function per implementation; kernels/register calls them.
void RegisterBatchNormInnerProductReference(KernelRegistry& registry);
void RegisterBatchNormInnerProductHighway(KernelRegistry& registry);
void RegisterBatchNormInnerProductCuda(KernelRegistry& registry);  // in the CUDA plug-in

}  // namespace nasengine
