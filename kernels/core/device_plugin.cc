// SPDX-License-Identifier: MIT
#include "kernels/core/device_plugin.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

constexpr const char* kPluginName = "nasengine_cuda.so";
constexpr const char* kPluginVariable = "NASENGINE_CUDA_PLUGIN";

// Beside the program, or where an installed program has its libraries.
std::string FindPlugin(const std::string& device) {
  if (const char* named = std::getenv(kPluginVariable); named != nullptr && *named != '\0') {
    return named;
  }
  std::error_code error;
  const std::filesystem::path folder =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* place : {".", "..", "../lib/nasengine"}) {
    const std::filesystem::path file = folder / place / kPluginName;
    if (std::filesystem::exists(file, error)) return file.lexically_normal().string();
  }
  Throw(ErrorCode::kUnsupported, "no CUDA backend in this build (asked for ", device, "; no ",
        kPluginName, " in ", folder.string(),
        "): build where the CUDA toolkit and cuDNN are, or use --device cpu");
}

}  // namespace

std::unique_ptr<DeviceBackend> OpenDevice(const Device& device, KernelRegistry& registry) {
  if (device.type == DeviceType::kCpu) return MakeCpuBackend();
  return OpenDevicePlugin(device, {}, registry);
}

std::unique_ptr<DeviceBackend> OpenDevicePlugin(const Device& device, const PluginOptions& options,
                                                KernelRegistry& registry) {
  const std::string path = options.path.empty() ? FindPlugin(ToString(device)) : options.path;
  void* plugin = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (plugin == nullptr) {
    // Read before it is put into a message, whose making may use the loader too.
    const std::string reason = dlerror();
    Throw(ErrorCode::kUnsupported, "cannot load the CUDA backend: ", reason);
  }
  const auto open = reinterpret_cast<OpenDeviceFunction>(dlsym(plugin, kOpenDeviceFunction));
  if (open == nullptr) {
    Throw(ErrorCode::kUnsupported, path, ": is no plug-in of this program: has no ",
          kOpenDeviceFunction);
  }
  std::unique_ptr<DeviceBackend> backend;
  open(device.ordinal, options.host_visible, backend, registry);
  return backend;
}

}  // namespace nasengine
