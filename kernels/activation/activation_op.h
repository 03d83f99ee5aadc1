// The activation on its own, for networks whose activation does not follow a batch norm.
//   x y dx dy of one shape and one type, f32 or bf16
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/core/activation.h"
#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

// y = activation(x). y may be x.
struct ActivationForward {
  static constexpr const char* kName = "activation_forward";
  struct Args {
    ConstView x;
    Activation activation = Activation::kRelu;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// dx = dy where the activation's slope is 1 (read off y), else 0. dx may be dy.
struct ActivationBackward {
  static constexpr const char* kName = "activation_backward";
  struct Args {
    ConstView y;
    ConstView dy;
    Activation activation = Activation::kRelu;
    View dx;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// One registration function per implementation; kernels/register calls them.
void RegisterActivationReference(KernelRegistry& registry);
void RegisterActivationHighway(KernelRegistry& registry);
void RegisterActivationCuda(KernelRegistry& registry);  // in the CUDA plug-in

}  // namespace nasengine
