// Average and maximum pooling, NHWC; c_in == c_out in the geometry.
//   x (n, h, w, c)   y (n, out_h, out_w, c)   of one type, f32 or bf16; sums in f32 or better
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/conv/conv_geometry.h"
#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

// Mean over the window's elements inside the image (padding is not counted).
struct AvgPoolForward {
  static constexpr const char* kName = "avg_pool_forward";
  struct Args {
    ConvGeometry geometry;
    ConstView x;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// dx = each dy spread evenly over its window.
struct AvgPoolBackward {
  static constexpr const char* kName = "avg_pool_backward";
  struct Args {
    ConvGeometry geometry;
    ConstView dy;
    View dx;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// Largest element of the window inside the image.
struct MaxPoolForward {
  static constexpr const char* kName = "max_pool_forward";
  struct Args {
    ConvGeometry geometry;
    ConstView x;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// dy goes to the first largest element of each window (row by row).
struct MaxPoolBackward {
  static constexpr const char* kName = "max_pool_backward";
  struct Args {
    ConvGeometry geometry;
    ConstView x;
    ConstView dy;
    View dx;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// x (n, h, w, c) -> y (n, c), mean over h and w.
struct GlobalAvgPoolForward {
  static constexpr const char* kName = "global_avg_pool_forward";
  struct Args {
    ConstView x;
    View y;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// dy (n, c) -> dx (n, h, w, c).
struct GlobalAvgPoolBackward {
  static constexpr const char* kName = "global_avg_pool_backward";
  struct Args {
    ConstView dy;
    View dx;
  };
  static std::vector<View*> Outputs(Args& args);
  static double ErrorScale(const Args& args, int output);
};

// One registration function per implementation; kernels/register calls them.
void RegisterPoolReference(KernelRegistry& registry);
void RegisterPoolHighway(KernelRegistry& registry);
void RegisterPoolCuda(KernelRegistry& registry);

}  // namespace nasengine
