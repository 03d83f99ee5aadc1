// Opening the plug-in that brings a device which is not built in.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "kernels/core/device_backend.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine {

struct PluginOptions {
  // The file; empty: nasengine_cuda.so beside the program, or where the variable
  // NASENGINE_CUDA_PLUGIN says.
  std::string path;
  // Memory that the host may read and write as well. Slow; for tests.
  bool host_visible = false;
};

// The backend of `device`, built in or from its plug-in. Throws as OpenDevicePlugin does.
std::unique_ptr<DeviceBackend> OpenDevice(const Device& device, KernelRegistry& registry);

// The backend of `device`, whose kernels are added to `registry`. The plug-in stays open until the
// program ends. Throws kUnsupported where there is no plug-in or it does not load, and kDevice
// where it finds no such device.
std::unique_ptr<DeviceBackend> OpenDevicePlugin(const Device& device, const PluginOptions& options,
                                                KernelRegistry& registry);

// What a plug-in exports under this name.
inline constexpr const char* kOpenDeviceFunction = "nasengine_open_device";
using OpenDeviceFunction = void (*)(int ordinal, bool host_visible,
                                    std::unique_ptr<DeviceBackend>& backend,
                                    KernelRegistry& registry);

}  // namespace nasengine
