// Bytes of stored images, owned, and counted as kData by the allocator they come from.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "kernels/core/allocator.h"

namespace nasengine {

// Must not outlive its allocator.
class ByteBuffer {
 public:
  ByteBuffer() = default;
  // Uninitialised. Throws kOutOfMemory.
  ByteBuffer(Allocator& allocator, std::size_t bytes)
      : allocator_(&allocator),
        data_(static_cast<std::uint8_t*>(allocator.Allocate(bytes, MemoryCategory::kData))),
        bytes_(bytes) {}
  ~ByteBuffer() {
    if (allocator_ != nullptr) allocator_->Free(data_);
  }
  ByteBuffer(ByteBuffer&& other) noexcept { *this = std::move(other); }
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    std::swap(allocator_, other.allocator_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;

  std::span<std::uint8_t> span() { return {data_, bytes_}; }
  std::span<const std::uint8_t> span() const { return {data_, bytes_}; }

 private:
  Allocator* allocator_ = nullptr;
  std::uint8_t* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace nasengine
