// SPDX-License-Identifier: MIT
#include "kernels/conv/conv2d.h"
#include "kernels/conv/depthwise_conv.h"
#include "kernels/conv/pointwise_conv.h"
#include "kernels/cuda/register_cuda.h"
#include "kernels/linear/linear.h"

namespace nasengine::cuda {

void RegisterVendorKernels(KernelRegistry& registry) {
  RegisterConv2dCudnn(registry);
  RegisterDepthwiseConvCudnn(registry);
  RegisterLinearCublaslt(registry);
  RegisterPointwiseConvCublaslt(registry);
}

}  // namespace nasengine::cuda
