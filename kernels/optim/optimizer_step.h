// One step of an optimiser over slabs of parameters, in place, f32 but for the bf16 copy that a
// step of SGD keeps of them. All slabs of a step are one call, which a device can make one launch:
// a step touches some twenty of them, most of which are small.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

// SGD with momentum, decay added to the gradient (Sutskever 2013, as PyTorch words it):
//   g = dw + weight_decay * w;  v = momentum * v + g;  w -= lr * (nesterov ? g + momentum * v : v)
struct SgdStep {
  static constexpr const char* kName = "sgd_step";
  // A slab or the part of one that decays alike; in the list once. All views have one shape.
  struct Slab {
    ConstView dw;
    View w;
    View v;
    View w_bf16{};  // = w, rounded, in the same pass; may be empty
    float weight_decay = 0;
  };
  struct Args {
    float lr = 0;
    float momentum = 0;
    bool nesterov = false;
    std::vector<Slab> slabs;
  };
  // w, v and w_bf16 of every slab in turn.
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// Adam (Kingma and Ba 2015, algorithm 1), decay added to the gradient; `step` counts from 1.
struct AdamStep {
  static constexpr const char* kName = "adam_step";
  // All views have one shape.
  struct Slab {
    ConstView dw;
    View w;
    View m;  // may be empty when beta1 is 0, in every slab or in none
    View v;
  };
  struct Args {
    float lr = 0;
    float beta1 = 0;
    float beta2 = 0.999f;
    float epsilon = 1e-8f;
    float weight_decay = 0;
    std::int64_t step = 1;
    std::vector<Slab> slabs;
  };
  // w, m and v of every slab in turn.
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// "50000 weights in 12 slabs".
std::string ToString(const std::vector<SgdStep::Slab>& slabs);
std::string ToString(const std::vector<AdamStep::Slab>& slabs);

// One registration function per implementation; kernels/register calls them.
void RegisterOptimizerStepReference(KernelRegistry& registry);
void RegisterOptimizerStepHighway(KernelRegistry& registry);
void RegisterOptimizerStepCuda(KernelRegistry& registry);  // in the CUDA plug-in

}  // namespace nasengine
