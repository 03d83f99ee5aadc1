// First-fit by address within regions, with freed neighbours merged at once.
// SPDX-License-Identifier: MIT
#include "kernels/core/allocator.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

constexpr std::size_t kAlignmentBytes = 64;
constexpr std::size_t kRegionBytes = std::size_t{2} << 20;
constexpr std::size_t kMaxBytes = std::numeric_limits<std::size_t>::max() / 2;

std::size_t RoundUp(std::size_t bytes, std::size_t multiple) {
  return (bytes + multiple - 1) / multiple * multiple;
}

std::size_t BlockBytes(std::size_t bytes) {
  return RoundUp(std::max<std::size_t>(bytes, 1), kAlignmentBytes);
}

}  // namespace

std::string_view Name(MemoryCategory category) {
  switch (category) {
    case MemoryCategory::kWeights:
      return "weights";
    case MemoryCategory::kGradients:
      return "gradients";
    case MemoryCategory::kOptimizer:
      return "optimizer";
    case MemoryCategory::kActivations:
      return "activations";
    case MemoryCategory::kWorkspace:
      return "workspace";
    case MemoryCategory::kData:
      return "data";
  }
  return "unknown";
}

CachingAllocator::CachingAllocator(DeviceBackend& backend) : backend_(backend) {}

CachingAllocator::~CachingAllocator() {
  NAS_DCHECK(blocks_.empty());
  for (const auto& [data, region] : regions_) backend_.Free(data, region.bytes);
}

void* CachingAllocator::Allocate(std::size_t bytes, MemoryCategory category) {
  const std::lock_guard lock(mutex_);
  // An absurd size goes on to the backend unrounded, which refuses it in the usual way.
  const std::size_t block_bytes = bytes > kMaxBytes ? bytes : BlockBytes(bytes);
  for (auto& [data, region] : regions_) {
    if (void* block = TakeFrom(region, block_bytes, category)) return block;
  }
  const std::size_t region_bytes = bytes > kMaxBytes ? bytes : RoundUp(block_bytes, kRegionBytes);
  return TakeFrom(AddRegion(region_bytes, Name(category)), block_bytes, category);
}

void CachingAllocator::Free(void* data) noexcept {
  if (data == nullptr) return;
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(data);
  NAS_DCHECK(found != blocks_.end());
  if (found == blocks_.end()) return;
  const Block block = found->second;
  blocks_.erase(found);

  auto& free_blocks = regions_.find(block.region)->second.free_blocks;
  auto next = free_blocks.lower_bound(block.region_offset);
  const bool joins_next =
      next != free_blocks.end() && next->first == block.region_offset + block.bytes;
  const auto previous = next == free_blocks.begin() ? free_blocks.end() : std::prev(next);
  const bool joins_previous =
      previous != free_blocks.end() && previous->first + previous->second == block.region_offset;
  if (joins_previous) {
    previous->second += block.bytes;
    if (joins_next) {
      previous->second += next->second;
      free_blocks.erase(next);
    }
  } else if (joins_next) {
    // Moving the node to its new key keeps a free from asking the host's heap for anything.
    auto node = free_blocks.extract(next++);
    node.key() = block.region_offset;
    node.mapped() += block.bytes;
    free_blocks.insert(next, std::move(node));
  } else {
    free_blocks.emplace_hint(next, block.region_offset, block.bytes);
  }

  const auto counted = static_cast<std::int64_t>(block.bytes);
  stats_.active_bytes -= counted;
  stats_.cached_bytes += counted;
  stats_.active_by_category[static_cast<std::size_t>(block.category)] -= counted;
}

void CachingAllocator::Reserve(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  AddRegion(bytes > kMaxBytes ? bytes : BlockBytes(bytes), "a reserved region");
}

void CachingAllocator::ReleaseCached() {
  const std::lock_guard lock(mutex_);
  for (auto it = regions_.begin(); it != regions_.end();) {
    const Region& region = it->second;
    // Free blocks are never adjacent, so a free region is one block of its whole size.
    const bool unused =
        region.free_blocks.size() == 1 && region.free_blocks.begin()->second == region.bytes;
    if (!unused) {
      ++it;
      continue;
    }
    backend_.Free(region.data, region.bytes);
    stats_.cached_bytes -= static_cast<std::int64_t>(region.bytes);
    it = regions_.erase(it);
  }
}

MemoryStats CachingAllocator::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void CachingAllocator::ResetPeak() {
  const std::lock_guard lock(mutex_);
  stats_.peak_bytes = stats_.active_bytes;
  stats_.at_peak_by_category = stats_.active_by_category;
}

CachingAllocator::Region& CachingAllocator::AddRegion(std::size_t bytes, std::string_view purpose) {
  auto* data = static_cast<std::byte*>(backend_.Allocate(bytes));
  if (data == nullptr) {
    Throw(ErrorCode::kOutOfMemory, ToString(backend_.device()), ": out of memory: ", bytes,
          " bytes asked for ", purpose, ", ", stats_.active_bytes, " bytes in use, ",
          stats_.cached_bytes, " bytes cached");
  }
  Region& region = regions_.emplace(data, Region{data, bytes, {{0, bytes}}}).first->second;
  stats_.cached_bytes += static_cast<std::int64_t>(bytes);
  ++stats_.system_allocations;
  return region;
}

void* CachingAllocator::TakeFrom(Region& region, std::size_t bytes, MemoryCategory category) {
  const auto fits = std::find_if(region.free_blocks.begin(), region.free_blocks.end(),
                                 [bytes](const auto& block) { return block.second >= bytes; });
  if (fits == region.free_blocks.end()) return nullptr;
  const std::size_t offset = fits->first;
  void* data = region.data + offset;
  blocks_.emplace(data, Block{offset, bytes, category, region.data});
  if (fits->second == bytes) {
    region.free_blocks.erase(fits);
  } else {
    const auto next = std::next(fits);
    auto node = region.free_blocks.extract(fits);
    node.key() += bytes;
    node.mapped() -= bytes;
    region.free_blocks.insert(next, std::move(node));
  }

  const auto counted = static_cast<std::int64_t>(bytes);
  stats_.active_bytes += counted;
  stats_.cached_bytes -= counted;
  stats_.active_by_category[static_cast<std::size_t>(category)] += counted;
  if (stats_.active_bytes > stats_.peak_bytes) {
    stats_.peak_bytes = stats_.active_bytes;
    stats_.at_peak_by_category = stats_.active_by_category;
  }
  return data;
}

}  // namespace nasengine
