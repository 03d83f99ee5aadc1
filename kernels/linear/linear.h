// Fully connected layer.
//   x (n, in)   w (out, in)   bias (out)   y (n, out)
// x, dx, dy and w have one type, f32 or bf16; y, bias, dw and dbias are f32: the layer ends a
// network, and its loss wants more digits than bf16 has. Sums are f32.
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

// y = x w^T + bias. `bias` may be empty.
struct LinearForward {
  static constexpr const char* kName = "linear_forward";
  struct Args {
    ConstView x;
    ConstView w;
    ConstView bias;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// dx = dy w.
struct LinearBackwardData {
  static constexpr const char* kName = "linear_backward_data";
  struct Args {
    ConstView dy;
    ConstView w;
    View dx;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// dw = dy^T x, dbias = sum over n of dy (may be empty); overwritten, or added to if `accumulate`.
struct LinearBackwardWeights {
  static constexpr const char* kName = "linear_backward_weights";
  struct Args {
    ConstView x;
    ConstView dy;
    View dw;
    View dbias;
    bool accumulate = false;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// One registration function per implementation; kernels/register calls them.
void RegisterLinearReference(KernelRegistry& registry);
void RegisterLinearCublaslt(KernelRegistry& registry);
void RegisterLinearOnednn(KernelRegistry& registry);
void RegisterLinearCuda(KernelRegistry& registry);

}  // namespace nasengine
