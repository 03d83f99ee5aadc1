// The counting, caching allocator through which every byte of a device passes.
//
// Memory is taken from the backend in regions and handed out first-fit by address, with neighbours
// merged on free. Training frees in nearly the reverse order of allocation, so first-fit keeps a
// step inside the lowest addresses: one region reserved up front (`Reserve`) is the step's arena,
// and no step asks the system for memory again. `system_allocations` proves it.
//
// Thread-safe.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

#include "kernels/core/device_backend.h"

namespace nasengine {

enum class MemoryCategory { kWeights, kGradients, kOptimizer, kActivations, kWorkspace, kData };
inline constexpr int kMemoryCategories = 6;
std::string_view Name(MemoryCategory category);

// Bytes handed out (active), their largest value since the last reset (peak), and bytes held from
// the system without being handed out (cached). Sizes count as rounded up to 64 bytes.
struct MemoryStats {
  std::int64_t active_bytes = 0;
  std::int64_t peak_bytes = 0;
  std::int64_t cached_bytes = 0;
  std::int64_t system_allocations = 0;
  std::array<std::int64_t, kMemoryCategories> active_by_category{};
  // What each category held at the moment of the total's peak; they add up to peak_bytes.
  std::array<std::int64_t, kMemoryCategories> at_peak_by_category{};
};

class Allocator {
 public:
  virtual ~Allocator() = default;
  // Throws kOutOfMemory naming category and bytes. Zero bytes give a valid, unique block.
  virtual void* Allocate(std::size_t bytes, MemoryCategory category) = 0;
  virtual void Free(void* data) noexcept = 0;
};

class CachingAllocator final : public Allocator {
 public:
  explicit CachingAllocator(DeviceBackend& backend);
  ~CachingAllocator() override;
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  void* Allocate(std::size_t bytes, MemoryCategory category) override;
  void Free(void* data) noexcept override;

  // Takes one region of at least `bytes` from the backend, to serve allocations to come.
  void Reserve(std::size_t bytes);
  // Gives regions with no live block back to the backend.
  void ReleaseCached();

  MemoryStats stats() const;
  // Starts a new peak at what is active now.
  void ResetPeak();

 private:
  struct Region {
    std::byte* data;
    std::size_t bytes;
    std::map<std::size_t, std::size_t> free_blocks;  // offset -> bytes, disjoint, never adjacent
  };
  struct Block {
    std::size_t region_offset;
    std::size_t bytes;
    MemoryCategory category;
    std::byte* region;
  };

  Region& AddRegion(std::size_t bytes, std::string_view purpose);
  void* TakeFrom(Region& region, std::size_t bytes, MemoryCategory category);

  DeviceBackend& backend_;
  mutable std::mutex mutex_;
  std::map<std::byte*, Region> regions_;
  std::map<void*, Block> blocks_;
  MemoryStats stats_;
};

}  // namespace nasengine
