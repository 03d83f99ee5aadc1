// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulation/shared_memory.h"

#include <cstdint>
#include <cstring>

#include "kernels/cuda/emulation/sanitizers.h"

namespace nasengine::cuda::emulation {
namespace {

// Between arrays, and after the last.
constexpr std::size_t kRedZoneBytes = 128;
constexpr std::size_t kMostArrays = 64;
constexpr std::size_t kMemoryBytes = kMostSharedBytes + kMostArrays * 2 * kRedZoneBytes;
constexpr std::size_t kDynamicAlignment = 16;

}  // namespace

SharedMemory::SharedMemory() : memory_(std::make_unique<std::byte[]>(kMemoryBytes)) {
  // Between arrays too, for builds without AddressSanitizer.
  std::memset(memory_.get(), 0xff, kMemoryBytes);
  Poison(memory_.get(), kMemoryBytes);
}
SharedMemory::~SharedMemory() { Unpoison(memory_.get(), kMemoryBytes); }

void SharedMemory::StartBlock(std::size_t dynamic_bytes) {
  if constexpr (kRacesAreWatched) {
    // Blocks run in no order, and where one had its arrays is nothing to the next.
    memory_ = std::make_unique_for_overwrite<std::byte[]>(kMemoryBytes);
    std::memset(memory_.get(), 0xff, kMemoryBytes);
  }
  Poison(memory_.get(), used_);
  arrays_.clear();
  used_ = 0;
  static_bytes_ = 0;
  dynamic_bytes_ = dynamic_bytes;
  dynamic_ = Take(dynamic_bytes, kDynamicAlignment);
}

void* SharedMemory::Array(const void* key, std::size_t bytes, std::size_t alignment) {
  for (const Known& array : arrays_) {
    if (array.key == key) return array.data;
  }
  static_bytes_ += bytes;
  if (static_bytes_ > kMostStaticSharedBytes) return nullptr;
  if (static_bytes_ + dynamic_bytes_ > kMostSharedBytes) return nullptr;
  std::byte* data = Take(bytes, alignment);
  if (data != nullptr) arrays_.push_back({key, data});
  return data;
}

std::byte* SharedMemory::Take(std::size_t bytes, std::size_t alignment) {
  const auto base = reinterpret_cast<std::uintptr_t>(memory_.get());
  const std::size_t begin =
      (base + used_ + kRedZoneBytes + alignment - 1) / alignment * alignment - base;
  if (begin + bytes + kRedZoneBytes > kMemoryBytes) return nullptr;
  used_ = begin + bytes;
  std::byte* data = memory_.get() + begin;
  Unpoison(data, bytes);
  std::memset(data, 0xff, bytes);
  return data;
}

}  // namespace nasengine::cuda::emulation
