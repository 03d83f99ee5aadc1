// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulation/device_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "kernels/cuda/emulation/sanitizers.h"

namespace nasengine::cuda::emulation {
namespace {

constexpr std::size_t kAlignment = 256;  // of all that cudaMalloc gives
constexpr std::size_t kPageBytes = 64 << 10;
// Room for gaps between what is given.
constexpr std::size_t kReservedBytes = 4 * DeviceMemory::kTotalBytes;

bool GuardIsWanted() {
  const char* wanted = std::getenv("NASENGINE_EMULATED_GUARD");
  return wanted != nullptr && std::string_view(wanted) == "1";
}

std::size_t RoundUp(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

DeviceMemory& DeviceMemory::Get() {
  static DeviceMemory memory;
  return memory;
}

void* DeviceMemory::Allocate(std::size_t bytes, MemoryKind kind) {
  const std::lock_guard lock(mutex_);
  const bool guarded = kind == MemoryKind::kDevice && GuardIsWanted();
  const bool counts = kind != MemoryKind::kHost;
  if (counts && bytes > kTotalBytes - used_bytes_) return nullptr;
  void* data = nullptr;
  if (guarded) {
    data = AllocateGuarded(bytes);
  } else if (posix_memalign(&data, kAlignment, bytes) != 0) {
    data = nullptr;
  }
  if (data == nullptr) return nullptr;
  regions_.emplace(reinterpret_cast<std::uintptr_t>(data), Region{bytes, kind, guarded});
  if (counts) used_bytes_ += bytes;
  const DeviceAtWork at_work;
  std::memset(data, 0xff, bytes);
  return data;
}

// The first gap that is large enough, else after the last.
void* DeviceMemory::AllocateGuarded(std::size_t bytes) {
  if (guarded_ == nullptr) {
    void* pages = mmap(nullptr, kReservedBytes, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) return nullptr;
    guarded_ = static_cast<std::byte*>(pages);
  }
  const auto base = reinterpret_cast<std::uintptr_t>(guarded_);
  const std::size_t wanted = RoundUp(std::max<std::size_t>(bytes, 1), kPageBytes);
  std::uintptr_t begin = base;
  for (auto at = regions_.lower_bound(base); at != regions_.end(); ++at) {
    if (!at->second.guarded || at->first >= begin + wanted) break;
    begin = at->first + RoundUp(at->second.bytes, kPageBytes);
  }
  if (begin + wanted > base + kReservedBytes) return nullptr;
  if (begin + wanted > base + guarded_bytes_) guarded_bytes_ = begin + wanted - base;
  auto* data = reinterpret_cast<std::byte*>(begin);  // NOLINT(performance-no-int-to-ptr)
  Unpoison(data, bytes);
  Poison(data + bytes, wanted - bytes);
  return data;
}

bool DeviceMemory::Free(void* data, bool host) {
  const std::lock_guard lock(mutex_);
  const auto found = regions_.find(reinterpret_cast<std::uintptr_t>(data));
  if (found == regions_.end() || (found->second.kind == MemoryKind::kHost) != host) return false;
  const Region region = found->second;
  regions_.erase(found);
  if (region.kind != MemoryKind::kHost) used_bytes_ -= region.bytes;
  if (region.guarded) {
    const std::size_t bytes = RoundUp(region.bytes, kPageBytes);
    Poison(data, bytes);
    madvise(data, bytes, MADV_DONTNEED);
  } else {
    std::free(data);
  }
  return true;
}

DeviceMemory::Regions::iterator DeviceMemory::Find(const void* data) {
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  auto at = regions_.upper_bound(address);
  if (at == regions_.begin()) return regions_.end();
  --at;
  return address < at->first + at->second.bytes ? at : regions_.end();
}

bool DeviceMemory::OnDevice(const void* data, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = Find(data);
  return found != regions_.end() && found->second.kind != MemoryKind::kHost &&
         bytes <= found->first + found->second.bytes - reinterpret_cast<std::uintptr_t>(data);
}

bool DeviceMemory::OnDeviceOnly(const void* data) {
  const std::lock_guard lock(mutex_);
  const auto found = Find(data);
  return found != regions_.end() && found->second.kind == MemoryKind::kDevice;
}

bool DeviceMemory::OnHostOnly(const void* data) {
  const std::lock_guard lock(mutex_);
  if (Find(data) != regions_.end()) return false;
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  if (address - reinterpret_cast<std::uintptr_t>(guarded_) < kReservedBytes) return false;
  // Says whether there is such a page at all.
  const auto page_bytes = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  unsigned char resident = 0;
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return mincore(reinterpret_cast<void*>(address / page_bytes * page_bytes), 1, &resident) == 0;
}

std::size_t DeviceMemory::used_bytes() {
  const std::lock_guard lock(mutex_);
  return used_bytes_;
}

void DeviceMemory::Open() {
  mutex_.lock();
  if (at_work_++ == 0) Protect(PROT_READ | PROT_WRITE);
}

void DeviceMemory::Close() {
  if (--at_work_ == 0) Protect(PROT_NONE);
  mutex_.unlock();
}

void DeviceMemory::Protect(int protection) {
  if (guarded_bytes_ > 0) mprotect(guarded_, guarded_bytes_, protection);
}

}  // namespace nasengine::cuda::emulation
