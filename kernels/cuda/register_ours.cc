// SPDX-License-Identifier: MIT
#include "kernels/activation/activation_op.h"
#include "kernels/conv/conv2d.h"
#include "kernels/conv/depthwise_conv.h"
#include "kernels/conv/mbconv.h"
#include "kernels/conv/mbconv_inference.h"
#include "kernels/conv/pointwise_conv.h"
#include "kernels/conv/pointwise_inference.h"
#include "kernels/cuda/register_cuda.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/linear/linear.h"
#include "kernels/loss/softmax_cross_entropy.h"
#include "kernels/norm/batch_norm.h"
#include "kernels/norm/batch_norm_inner_product.h"
#include "kernels/optim/optimizer_step.h"
#include "kernels/pool/pool.h"

namespace nasengine::cuda {

void RegisterOurKernels(KernelRegistry& registry) {
  RegisterActivationCuda(registry);
  RegisterBatchNormCuda(registry);
  RegisterBatchNormInnerProductCuda(registry);
  RegisterConv2dCuda(registry);
  RegisterDepthwiseConvCuda(registry);
  RegisterElementwiseCuda(registry);
  RegisterLinearCuda(registry);
  RegisterMbconvCuda(registry);
  RegisterOptimizerStepCuda(registry);
  RegisterPointwiseConvCuda(registry);
  RegisterPoolCuda(registry);
  RegisterSoftmaxCrossEntropyCuda(registry);

  RegisterMbconvComposedCuda(registry);
  RegisterMbconvInferenceComposedCuda(registry);
  RegisterPointwiseInferenceComposedCuda(registry);
}

}  // namespace nasengine::cuda
