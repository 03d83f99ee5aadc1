// One element through a batch norm on CUDA, for its own kernels and those that take it along.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/portable.cuh"
#include "kernels/norm/batch_norm_cuda.h"

namespace nasengine::cuda {

// to = mean, gamma * inv_std, beta.
__device__ __forceinline__ void FillAffine(const NormParameters& parameters, std::int64_t channel,
                                           float* to) {
  float inv_std = parameters.spread[channel];
  if (parameters.epsilon > 0) inv_std = 1 / sqrtf(inv_std + parameters.epsilon);
  to[0] = parameters.mean[channel];
  to[1] = parameters.gamma[channel] * inv_std;
  to[2] = parameters.beta[channel];
}

// As BatchNormValue (batch_norm_check.h): forward and backward must round alike.
__device__ __forceinline__ float NormValue(float distance, float scale, float beta) {
  return fmaf(distance, scale, beta);
}

// Whether the activation after a norm lets the gradient through, `distance` being that from the
// mean.
__device__ __forceinline__ bool NormPasses(float distance, float scale, float beta,
                                           Activation activation) {
  return PassesGradient(NormValue(distance, scale, beta), activation);
}

// From the sums of x - pivot and of its square over `rows` rows to those of x and of x^2.
__device__ __forceinline__ void MoveMoments(double pivot, double rows, double& sum,
                                            double& sum_of_squares) {
  sum_of_squares += pivot * (2 * sum + rows * pivot);
  sum += rows * pivot;
}

}  // namespace nasengine::cuda
