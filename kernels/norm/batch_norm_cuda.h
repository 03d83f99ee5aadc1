// The parts of batch normalisation that kernels which gather sums over rows themselves leave to it:
// statistics and gradients of channels from the sums of blocks, as kernels/norm/moments.h has them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/activation.h"
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace nasengine::cuda {

// One number a channel each.
struct NormParameters {
  const float* mean;
  // inv_std; or, where epsilon > 0, the variance.
  const float* spread;
  const float* gamma;
  const float* beta;
  float epsilon;
  Activation activation;
};

// y = activation(gamma * (x - mean) * inv_std + beta), of x's type. y may be x.
void ApplyNorm(Context& context, const char* name, const ConstView& x,
               const NormParameters& parameters, const View& y);

// What each of `blocks` blocks found of the rows that it saw, (blocks, 2, c) on the device; no row
// may be missing. Sum is float or double. Blocks are added in a fixed order, in f64; f64 sums are
// used up by that. f32 is for sums over a hundred rows at most: it rounds by half a unit of a
// block's sum.
template <class Sum>
struct PartialSums {
  Sum* data = nullptr;
  std::int64_t blocks = 0;
};

// One number a channel each, f32, on the device.
struct BatchStatistics {
  std::int64_t rows = 0;  // with none, mean is 0, and running statistics stay as they are
  std::int64_t c = 0;
  float epsilon = 0;
  float momentum = 0;
  float* mean = nullptr;
  float* inv_std = nullptr;
  float* running_mean = nullptr;  // null: not updated
  float* running_var = nullptr;   // null: not updated
};

// From the sums of x - shift and of its square. `shift` (c) is any guess at the mean, within a few
// times the spread of it: a mean far from it costs accuracy. Null for none, which f64 sums bear.
template <class Sum>
void FinaliseStatistics(Context& context, const PartialSums<Sum>& sums, const float* shift,
                        const BatchStatistics& statistics);

// One number a channel each, f32, on the device.
struct BatchGradients {
  std::int64_t rows = 0;
  std::int64_t c = 0;
  const float* gamma = nullptr;
  const float* inv_std = nullptr;
  bool accumulate = false;
  float* dgamma = nullptr;  // null: not wanted
  float* dbeta = nullptr;   // null: not wanted
  // dx = gamma * inv_std * g + slope * (x - mean) + offset, g being the gradient that the
  // activation passes.
  float* slope = nullptr;
  float* offset = nullptr;
};

// From the sums of g and of g * (x - mean).
template <class Sum>
void FinaliseGradients(Context& context, const PartialSums<Sum>& sums,
                       const BatchGradients& gradients);

// These sums, where nobody else has gathered them. `partial`: of GradientSumBytes.
PartialSums<double> SumGradients(Context& context, const char* name, const ConstView& x,
                                 const ConstView& dy, const NormParameters& parameters,
                                 double* partial);
std::size_t GradientSumBytes(const Context& context, const ConstView& x, const ConstView& dy);

}  // namespace nasengine::cuda
