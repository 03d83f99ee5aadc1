// Operators that treat a tensor as a row of numbers: sums, scaling, inner products, casts, dropout.
// All tensors of a call have one type, f32 or bf16, but for what an inner product results in and
// what a cast is for.
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/core/rng.h"
#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

// y = a + b, one shape. y may be a or b.
struct Add {
  static constexpr const char* kName = "add";
  struct Args {
    ConstView a;
    ConstView b;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// y += alpha * x.
struct Axpy {
  static constexpr const char* kName = "axpy";
  struct Args {
    float alpha = 1;
    ConstView x;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// y = alpha * x. y may be x; alpha = 0 gives zeros whatever x holds.
struct Scale {
  static constexpr const char* kName = "scale";
  struct Args {
    float alpha = 1;
    ConstView x;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// result = sum over i of a[i] * b[i], summed in f64, stored f32. Deterministic for a thread count.
struct InnerProduct {
  static constexpr const char* kName = "inner_product";
  struct Args {
    ConstView a;
    ConstView b;
    View result;  // one f32
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// y = x in y's dtype (f32 <-> bf16, round to nearest even), one shape.
struct Cast {
  static constexpr const char* kName = "cast";
  struct Args {
    ConstView x;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// y = x * [uniform >= rate] / (1 - rate), uniforms from rng at (step, element). y may be x.
// The same call on dy is its backward.
struct Dropout {
  static constexpr const char* kName = "dropout";
  struct Args {
    ConstView x;
    float rate = 0;
    Rng rng{0, RngPurpose::kDropout};
    std::uint64_t step = 0;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// One registration function per implementation; kernels/register calls them.
void RegisterElementwiseReference(KernelRegistry& registry);
void RegisterElementwiseHighway(KernelRegistry& registry);
void RegisterElementwiseCuda(KernelRegistry& registry);  // in the CUDA plug-in

}  // namespace nasengine
