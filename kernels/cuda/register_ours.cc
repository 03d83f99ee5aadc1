// SPDX-License-Identifier: MIT
#include "kernels/cuda/register_cuda.h"

namespace nasengine::cuda {

void RegisterOurKernels(KernelRegistry& registry) { (void)registry; }

}  // namespace nasengine::cuda
