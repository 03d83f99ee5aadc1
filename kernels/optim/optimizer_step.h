// One step of an optimiser over a slab of parameters, in place, f32 but for the bf16 copy that a
// step of SGD keeps of them.
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

// SGD with momentum, decay added to the gradient (Sutskever 2013, as PyTorch words it):
//   g = dw + weight_decay * w;  v = momentum * v + g;  w -= lr * (nesterov ? g + momentum * v : v)
struct SgdStep {
  static constexpr const char* kName = "sgd_step";
  struct Args {
    ConstView dw;
    float lr = 0;
    float momentum = 0;
    float weight_decay = 0;
    bool nesterov = false;
    View w;
    View v;
    View w_bf16{};  // = w, rounded, in the same pass; may be empty
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// Adam (Kingma and Ba 2015, algorithm 1), decay added to the gradient; `step` counts from 1.
// m may be empty when beta1 is 0.
struct AdamStep {
  static constexpr const char* kName = "adam_step";
  struct Args {
    ConstView dw;
    float lr = 0;
    float beta1 = 0;
    float beta2 = 0.999f;
    float epsilon = 1e-8f;
    float weight_decay = 0;
    std::int64_t step = 1;
    View w;
    View m;
    View v;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// One registration function per implementation; kernels/register calls them.
void RegisterOptimizerStepReference(KernelRegistry& registry);
void RegisterOptimizerStepHighway(KernelRegistry& registry);
void RegisterOptimizerStepCuda(KernelRegistry& registry);  // in the CUDA plug-in

}  // namespace nasengine
