// The one function that the plug-in exports (kernels/core/device_plugin.h).
// SPDX-License-Identifier: MIT
#include <memory>

#include "kernels/core/device_plugin.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/register_cuda.h"

extern "C" __attribute__((visibility("default"))) void nasengine_open_device(
    int ordinal, bool host_visible, std::unique_ptr<nasengine::DeviceBackend>& backend,
    nasengine::KernelRegistry& registry) {
  backend = nasengine::cuda::MakeCudaBackend(ordinal, host_visible);
  nasengine::cuda::RegisterOurKernels(registry);
  nasengine::cuda::RegisterVendorKernels(registry);
}
