// A block's shared memory. Every array begins as all bits set, a NaN in f32 and bf16, so that what
// a kernel did not write shows in its result; AddressSanitizer sees where each ends.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace nasengine::cuda::emulation {

// What a block may have, and how much of it without asking at the launch.
inline constexpr std::size_t kMostSharedBytes = std::size_t{227} << 10;
inline constexpr std::size_t kMostStaticSharedBytes = std::size_t{48} << 10;

class SharedMemory {
 public:
  SharedMemory();
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  // Forgets the arrays of the block before.
  void StartBlock(std::size_t dynamic_bytes);
  // The array of this key, made on its first use in the block; null where that is too much.
  void* Array(const void* key, std::size_t bytes, std::size_t alignment);
  // What the launch asked for, aligned to 16; an address that nobody may use where that is nothing.
  void* dynamic() const { return dynamic_; }

  bool Holds(const void* data) const {
    return data >= memory_.get() && data < memory_.get() + used_;
  }

 private:
  struct Known {
    const void* key;
    std::byte* data;
  };

  void Renew(std::size_t bytes);
  std::byte* Take(std::size_t bytes, std::size_t alignment);

  std::unique_ptr<std::byte[]> memory_;
  std::size_t bytes_ = 0;
  std::vector<Known> arrays_;
  std::byte* dynamic_ = nullptr;
  std::size_t used_ = 0;
  std::size_t static_bytes_ = 0;
  std::size_t dynamic_bytes_ = 0;
};

}  // namespace nasengine::cuda::emulation
