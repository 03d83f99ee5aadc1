// There is no vendor's library in the emulation.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/register_cuda.h"

namespace nasengine::cuda {

void RegisterVendorKernels(KernelRegistry& /*registry*/) {}

}  // namespace nasengine::cuda
