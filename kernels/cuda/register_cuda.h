// Every kernel of the plug-in, put into a registry by plain function calls.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/core/kernel_registry.h"

namespace nasengine::cuda {

// Those that are written here.
void RegisterOurKernels(KernelRegistry& registry);
// cuDNN's and cuBLASLt's; nothing in the emulation.
void RegisterVendorKernels(KernelRegistry& registry);

}  // namespace nasengine::cuda
