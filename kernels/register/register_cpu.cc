// SPDX-License-Identifier: MIT
#include "kernels/activation/activation_op.h"
#include "kernels/conv/conv2d.h"
#include "kernels/conv/depthwise_conv.h"
#include "kernels/conv/mbconv.h"
#include "kernels/conv/mbconv_inference.h"
#include "kernels/conv/pointwise_conv.h"
#include "kernels/conv/pointwise_inference.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/linear/linear.h"
#include "kernels/loss/softmax_cross_entropy.h"
#include "kernels/norm/batch_norm.h"
#include "kernels/norm/batch_norm_inner_product.h"
#include "kernels/optim/optimizer_step.h"
#include "kernels/pool/pool.h"
#include "kernels/register/register_kernels.h"

namespace nasengine {

KernelRegistry MakeCpuRegistry() {
  KernelRegistry registry;

  RegisterActivationReference(registry);
  RegisterBatchNormReference(registry);
  RegisterBatchNormInnerProductReference(registry);
  RegisterConv2dReference(registry);
  RegisterDepthwiseConvReference(registry);
  RegisterElementwiseReference(registry);
  RegisterLinearReference(registry);
  RegisterMbconvReference(registry);
  RegisterMbconvInferenceReference(registry);
  RegisterOptimizerStepReference(registry);
  RegisterPointwiseConvReference(registry);
  RegisterPointwiseInferenceReference(registry);
  RegisterPoolReference(registry);
  RegisterSoftmaxCrossEntropyReference(registry);

  RegisterActivationHighway(registry);
  RegisterBatchNormHighway(registry);
  RegisterBatchNormInnerProductHighway(registry);
  RegisterDepthwiseConvHighway(registry);
  RegisterElementwiseHighway(registry);
  RegisterMbconvHighway(registry);
  RegisterMbconvInferenceHighway(registry);
  RegisterOptimizerStepHighway(registry);
  RegisterPointwiseInferenceHighway(registry);
  RegisterPoolHighway(registry);
  RegisterSoftmaxCrossEntropyCpu(registry);

  RegisterBatchNormOnednn(registry);
  RegisterConv2dOnednn(registry);
  RegisterDepthwiseConvOnednn(registry);
  RegisterLinearOnednn(registry);
  RegisterPointwiseConvOnednn(registry);

  RegisterMbconvComposed(registry);
  RegisterMbconvInferenceComposed(registry);
  RegisterPointwiseInferenceComposed(registry);

  return registry;
}

}  // namespace nasengine
