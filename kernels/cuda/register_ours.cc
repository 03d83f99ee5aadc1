// SPDX-License-Identifier: MIT
#include "kernels/activation/activation_op.h"
#include "kernels/cuda/register_cuda.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/loss/softmax_cross_entropy.h"
#include "kernels/norm/batch_norm.h"
#include "kernels/optim/optimizer_step.h"

namespace nasengine::cuda {

void RegisterOurKernels(KernelRegistry& registry) {
  RegisterActivationCuda(registry);
  RegisterBatchNormCuda(registry);
  RegisterElementwiseCuda(registry);
  RegisterOptimizerStepCuda(registry);
  RegisterSoftmaxCrossEntropyCuda(registry);
}

}  // namespace nasengine::cuda
