// The emulated device's memory: of the host's heap, a block of its own for each, so that
// AddressSanitizer sees where it ends; or, with NASENGINE_EMULATED_GUARD=1, for what cudaMalloc
// gives, out of the host's reach while no kernel or copy is at work, as a card's memory is.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace nasengine::cuda::emulation {

// Who reaches it: kernels, kernels and the host, or the host (and copies).
enum class MemoryKind { kDevice, kManaged, kHost };

class DeviceMemory {
 public:
  static constexpr std::size_t kTotalBytes = std::size_t{8} << 30;

  static DeviceMemory& Get();

  // Null where there is not so much. All bits are set.
  void* Allocate(std::size_t bytes, MemoryKind kind);
  // False where it is not what Allocate gave.
  bool Free(void* data, bool host);
  // Whether kernels may use [data, data + bytes).
  bool OnDevice(const void* data, std::size_t bytes);
  // Whether `data` is nothing that the host may use, or nothing that kernels may.
  bool OnDeviceOnly(const void* data);
  bool OnHostOnly(const void* data);
  std::size_t used_bytes();
  // Whether there ever was guarded memory.
  bool guards() const { return guarded_ != nullptr; }

  // Around kernels and copies; the second ends what the first began.
  void Open();
  void Close();

 private:
  struct Region {
    std::size_t bytes;
    MemoryKind kind;
    bool guarded;
  };
  using Regions = std::map<std::uintptr_t, Region>;

  void* AllocateGuarded(std::size_t bytes);
  void Protect(int protection);
  Regions::iterator Find(const void* data);

  std::recursive_mutex mutex_;
  Regions regions_;
  std::size_t used_bytes_ = 0;  // of the device
  int at_work_ = 0;
  // Addresses for guarded memory, and how many of their bytes were ever given.
  std::byte* guarded_ = nullptr;
  std::size_t guarded_bytes_ = 0;
};

// While one lives, a kernel or a copy is at work; another waits for its end.
class DeviceAtWork {
 public:
  DeviceAtWork() { DeviceMemory::Get().Open(); }
  ~DeviceAtWork() { DeviceMemory::Get().Close(); }
  DeviceAtWork(const DeviceAtWork&) = delete;
  DeviceAtWork& operator=(const DeviceAtWork&) = delete;
};

}  // namespace nasengine::cuda::emulation
