// The device that a test runs on: the CPU, or what NASENGINE_TEST_DEVICE says as DEVICE=PLUGIN:
// `emulated`, CUDA on the CPU, or `cuda:N`, a card. Either has memory that the test may read and
// write, so that the bodies of tests need not know of it.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "kernels/core/allocator.h"
#include "kernels/core/device_backend.h"
#include "kernels/core/device_plugin.h"
#include "kernels/core/error.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine {

inline std::string TestDeviceText() {
  const char* text = std::getenv("NASENGINE_TEST_DEVICE");
  return text == nullptr || *text == '\0' ? "cpu" : text;
}
inline std::string TestDeviceName() {
  const std::string text = TestDeviceText();
  return text.substr(0, text.find('='));
}
inline bool OnEmulatedDevice() { return TestDeviceName() == "emulated"; }

// Adds the device's kernels to `registry`. Null, with the reason in `missing`, where there is no
// such device.
inline std::unique_ptr<DeviceBackend> OpenTestDevice(KernelRegistry& registry,
                                                     std::string& missing) {
  const std::string name = TestDeviceName();
  if (name == "cpu") return MakeCpuBackend();
  const Device device = ParseDevice(OnEmulatedDevice() ? "cuda:0" : name);
  const std::string text = TestDeviceText();
  const std::string plugin = text.substr(std::min(text.find('=') + 1, text.size()));
  // The host reads what kernels wrote without asking whether they are done.
  setenv("CUDA_LAUNCH_BLOCKING", "1", 1);
  try {
    return OpenDevicePlugin(device, {.path = plugin, .host_visible = true}, registry);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDevice) throw;
    missing = error.what();
    return nullptr;
  }
}

// Gives every block memory of its own from the device, so that AddressSanitizer sees where it ends.
class BlockAllocator final : public Allocator {
 public:
  explicit BlockAllocator(DeviceBackend& backend) : backend_(backend) {}

  void* Allocate(std::size_t bytes, MemoryCategory category) override {
    void* data = backend_.Allocate(bytes);
    if (data == nullptr) {
      Throw(ErrorCode::kOutOfMemory, "out of memory: ", bytes, " bytes of ", Name(category));
    }
    const std::lock_guard lock(mutex_);
    bytes_[data] = bytes;
    return data;
  }
  void Free(void* data) noexcept override {
    const std::lock_guard lock(mutex_);
    const auto found = bytes_.find(data);
    backend_.Free(data, found->second);
    bytes_.erase(found);
  }

 private:
  DeviceBackend& backend_;
  std::mutex mutex_;
  std::map<void*, std::size_t> bytes_;
};

// The orders in which the emulation runs the threads of a block, and blocks.
inline constexpr std::string_view kEmulatedOrders[] = {"forward", "reverse", "random:1", "random:2",
                                                       "random:3"};
inline void SetEmulatedOrder(std::string_view order) {
  setenv("NASENGINE_EMULATED_ORDER", std::string(order).c_str(), 1);
}

}  // namespace nasengine
