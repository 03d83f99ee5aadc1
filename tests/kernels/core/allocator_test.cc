// The caching allocator: what it hands out, what it counts, and what a failure leaves behind.
// SPDX-License-Identifier: MIT
#include "kernels/core/allocator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <latch>
#include <limits>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/rng.h"
#include "tests/support/failing_allocator.h"

namespace nasengine {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

// The CPU's memory with a limit, and a count of what is out.
class LimitedBackend final : public DeviceBackend {
 public:
  explicit LimitedBackend(std::size_t limit_bytes = 1024 * kMiB) : limit_bytes_(limit_bytes) {}
  Device device() const override { return cpu_->device(); }
  std::string name() const override { return "limited"; }
  std::vector<std::string> capabilities() const override { return {}; }
  void* Allocate(std::size_t bytes) override {
    if (bytes > limit_bytes_ - held_bytes_) return nullptr;
    held_bytes_ += bytes;
    return cpu_->Allocate(bytes);
  }
  void Free(void* data, std::size_t bytes) noexcept override {
    held_bytes_ -= bytes;
    cpu_->Free(data, bytes);
  }
  void CopyFromHost(void* to, const void* from, std::size_t bytes) override {
    cpu_->CopyFromHost(to, from, bytes);
  }
  void CopyToHost(void* to, const void* from, std::size_t bytes) override {
    cpu_->CopyToHost(to, from, bytes);
  }
  void Synchronize() override {}
  void CopyOnDevice(void* to, const void* from, std::size_t bytes) override {
    cpu_->CopyOnDevice(to, from, bytes);
  }
  double Seconds(const std::function<void()>& work) override { return cpu_->Seconds(work); }
  std::unique_ptr<UploadQueue> MakeUploadQueue() override { return cpu_->MakeUploadQueue(); }
  bool host_visible() const override { return true; }
  std::size_t free_bytes() const override { return limit_bytes_ - held_bytes_; }
  std::unique_ptr<DeviceBackend> ForPlanning() override { return cpu_->ForPlanning(); }
  std::size_t held_bytes() const { return held_bytes_; }

 private:
  std::unique_ptr<DeviceBackend> cpu_ = MakeCpuBackend();
  const std::size_t limit_bytes_;
  std::size_t held_bytes_ = 0;
};

std::int64_t Sum(const std::array<std::int64_t, kMemoryCategories>& by_category) {
  return std::accumulate(by_category.begin(), by_category.end(), std::int64_t{0});
}

bool Same(const MemoryStats& a, const MemoryStats& b) {
  return a.active_bytes == b.active_bytes && a.peak_bytes == b.peak_bytes &&
         a.cached_bytes == b.cached_bytes && a.system_allocations == b.system_allocations &&
         a.active_by_category == b.active_by_category &&
         a.at_peak_by_category == b.at_peak_by_category;
}

std::string OutOfMemoryMessage(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST(AllocatorTest, CountsRoundedBytesByCategory) {
  LimitedBackend backend;
  CachingAllocator allocator(backend);
  void* weights = allocator.Allocate(1, MemoryCategory::kWeights);
  void* data = allocator.Allocate(65, MemoryCategory::kData);
  void* nothing = allocator.Allocate(0, MemoryCategory::kData);
  const MemoryStats stats = allocator.stats();
  EXPECT_EQ(stats.active_bytes, 64 + 128 + 64);
  EXPECT_EQ(stats.active_by_category[static_cast<int>(MemoryCategory::kWeights)], 64);
  EXPECT_EQ(stats.active_by_category[static_cast<int>(MemoryCategory::kData)], 192);
  EXPECT_EQ(stats.cached_bytes, static_cast<std::int64_t>(2 * kMiB) - 256);
  EXPECT_EQ(stats.system_allocations, 1);
  EXPECT_EQ((std::set<void*>{weights, data, nothing, nullptr}).size(), 4U);
  for (void* block : {weights, data, nothing}) allocator.Free(block);
  allocator.Free(nullptr);
  EXPECT_EQ(allocator.stats().active_bytes, 0);
  EXPECT_EQ(Sum(allocator.stats().active_by_category), 0);
}

TEST(AllocatorTest, PeakKnowsWhatMadeIt) {
  LimitedBackend backend;
  CachingAllocator allocator(backend);
  void* weights = allocator.Allocate(1000 * 64, MemoryCategory::kWeights);
  void* activations = allocator.Allocate(500 * 64, MemoryCategory::kActivations);
  allocator.Free(activations);
  void* workspace = allocator.Allocate(300 * 64, MemoryCategory::kWorkspace);
  MemoryStats stats = allocator.stats();
  EXPECT_EQ(stats.peak_bytes, 1500 * 64);
  EXPECT_EQ(stats.active_bytes, 1300 * 64);
  EXPECT_EQ(stats.at_peak_by_category[static_cast<int>(MemoryCategory::kActivations)], 500 * 64);
  EXPECT_EQ(stats.at_peak_by_category[static_cast<int>(MemoryCategory::kWorkspace)], 0);
  EXPECT_EQ(Sum(stats.at_peak_by_category), stats.peak_bytes);

  allocator.ResetPeak();
  stats = allocator.stats();
  EXPECT_EQ(stats.peak_bytes, 1300 * 64);
  EXPECT_EQ(stats.at_peak_by_category, stats.active_by_category);
  allocator.Free(workspace);
  allocator.Free(weights);
}

TEST(AllocatorTest, TakesTheLowestHoleThatFits) {
  LimitedBackend backend;
  CachingAllocator allocator(backend);
  std::vector<char*> blocks;
  for (int i = 0; i < 6; ++i) {
    blocks.push_back(static_cast<char*>(allocator.Allocate(256, MemoryCategory::kData)));
  }
  for (int i = 1; i < 6; ++i) EXPECT_EQ(blocks[i], blocks[i - 1] + 256);
  allocator.Free(blocks[1]);
  allocator.Free(blocks[3]);
  EXPECT_EQ(allocator.Allocate(128, MemoryCategory::kData), blocks[1]);
  EXPECT_EQ(allocator.Allocate(256, MemoryCategory::kData), blocks[3]);
  EXPECT_EQ(allocator.Allocate(128, MemoryCategory::kData), blocks[1] + 128);
  for (const int i : {0, 1, 2, 3, 4, 5}) allocator.Free(blocks[i]);
  allocator.Free(blocks[1] + 128);
}

// Every order of freeing three neighbours must give the whole region back as one piece.
TEST(AllocatorTest, MergesNeighboursInEveryOrder) {
  LimitedBackend backend;
  CachingAllocator allocator(backend);
  allocator.Reserve(3 * 64);
  std::vector<int> order = {0, 1, 2};
  do {
    std::vector<void*> blocks;
    for (int i = 0; i < 3; ++i) blocks.push_back(allocator.Allocate(64, MemoryCategory::kData));
    for (const int i : order) allocator.Free(blocks[i]);
    void* whole = allocator.Allocate(3 * 64, MemoryCategory::kData);
    EXPECT_EQ(whole, blocks[0]);
    allocator.Free(whole);
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(allocator.stats().system_allocations, 1);
}

TEST(AllocatorTest, StepsInsideAReservedArenaNeverAskTheSystem) {
  LimitedBackend backend;
  CachingAllocator allocator(backend);
  const Rng rng(1, RngPurpose::kTest);
  allocator.Reserve(16 * kMiB);
  for (std::uint64_t step = 0; step < 200; ++step) {
    std::vector<void*> blocks;
    for (std::uint64_t i = 0; i < 50; ++i) {
      blocks.push_back(
          allocator.Allocate(rng.Below(300000, step, i), MemoryCategory::kActivations));
    }
    while (!blocks.empty()) {
      allocator.Free(blocks.back());
      blocks.pop_back();
    }
  }
  EXPECT_EQ(allocator.stats().system_allocations, 1);
  EXPECT_EQ(allocator.stats().cached_bytes, static_cast<std::int64_t>(16 * kMiB));
}

// Random allocations and frees: every block keeps its own contents (so no two overlap), and the
// counters agree with a plain sum.
TEST(AllocatorTest, AgreesWithAPlainModel) {
  LimitedBackend backend;
  CachingAllocator allocator(backend);
  const Rng rng(2, RngPurpose::kTest);
  struct Live {
    unsigned char* data;
    std::size_t bytes;
    unsigned char mark;
  };
  std::vector<Live> live;
  std::int64_t active_bytes = 0;
  std::int64_t peak_bytes = 0;
  const auto free_one = [&](std::size_t index) {
    const Live block = live[index];
    for (std::size_t i = 0; i < block.bytes; ++i) ASSERT_EQ(block.data[i], block.mark);
    allocator.Free(block.data);
    active_bytes -= static_cast<std::int64_t>((block.bytes + 63) / 64 * 64);
    live[index] = live.back();
    live.pop_back();
  };
  for (std::uint64_t step = 0; step < 3000; ++step) {
    const auto bits = rng.Bits(step, 0);
    if (bits[0] % 5 < 2 && !live.empty()) {
      free_one(bits[1] % live.size());
    } else {
      const std::size_t bytes = 1 + bits[1] % (bits[2] % 50 == 0 ? 3 * kMiB : 4000);
      const auto category = static_cast<MemoryCategory>(bits[3] % kMemoryCategories);
      auto* data = static_cast<unsigned char*>(allocator.Allocate(bytes, category));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(data) % 64, 0U);
      const auto mark = static_cast<unsigned char>(step);
      std::memset(data, mark, bytes);
      live.push_back({data, bytes, mark});
      active_bytes += static_cast<std::int64_t>((bytes + 63) / 64 * 64);
    }
    peak_bytes = std::max(peak_bytes, active_bytes);
    const MemoryStats stats = allocator.stats();
    ASSERT_EQ(stats.active_bytes, active_bytes);
    ASSERT_EQ(stats.peak_bytes, peak_bytes);
    ASSERT_EQ(Sum(stats.active_by_category), active_bytes);
    ASSERT_EQ(Sum(stats.at_peak_by_category), peak_bytes);
    ASSERT_EQ(stats.active_bytes + stats.cached_bytes,
              static_cast<std::int64_t>(backend.held_bytes()));
  }
  while (!live.empty()) free_one(live.size() - 1);
  allocator.ReleaseCached();
  EXPECT_EQ(backend.held_bytes(), 0U) << "a region was not merged back into one piece";
  EXPECT_EQ(allocator.stats().cached_bytes, 0);
}

TEST(AllocatorTest, ReleaseKeepsRegionsInUse) {
  LimitedBackend backend;
  CachingAllocator allocator(backend);
  void* small = allocator.Allocate(64, MemoryCategory::kData);
  void* large = allocator.Allocate(8 * kMiB, MemoryCategory::kData);
  allocator.Free(large);
  allocator.ReleaseCached();
  EXPECT_EQ(backend.held_bytes(), 2 * kMiB);
  std::memset(small, 1, 64);
  allocator.Free(small);
}

TEST(AllocatorTest, FailureNamesWhatWasAskedAndCountsNothing) {
  LimitedBackend backend(8 * kMiB);
  CachingAllocator allocator(backend);
  void* block = allocator.Allocate(3 * kMiB, MemoryCategory::kWeights);
  const MemoryStats before = allocator.stats();
  const std::string message =
      OutOfMemoryMessage([&] { allocator.Allocate(6 * kMiB, MemoryCategory::kActivations); });
  EXPECT_NE(message.find("activations"), std::string::npos) << message;
  EXPECT_NE(message.find(std::to_string(6 * kMiB)), std::string::npos) << message;
  OutOfMemoryMessage([&] { allocator.Reserve(6 * kMiB); });
  OutOfMemoryMessage([&] {
    allocator.Allocate(std::numeric_limits<std::size_t>::max() - 1, MemoryCategory::kData);
  });
  EXPECT_TRUE(Same(allocator.stats(), before));
  allocator.Free(block);
  EXPECT_EQ(allocator.Allocate(4 * kMiB, MemoryCategory::kData), block) << "the region is reused";
  allocator.Free(block);
}

TEST(AllocatorTest, GivesEverythingBackAtTheEnd) {
  LimitedBackend backend;
  {
    CachingAllocator allocator(backend);
    allocator.Reserve(100);
    allocator.Free(allocator.Allocate(5 * kMiB, MemoryCategory::kGradients));
    EXPECT_GT(backend.held_bytes(), 0U);
  }
  EXPECT_EQ(backend.held_bytes(), 0U);
}

// Both threads start together and keep several blocks, so that their calls truly interleave.
TEST(AllocatorTest, ServesSeveralThreads) {
  LimitedBackend backend;
  CachingAllocator allocator(backend);
  std::latch start(2);
  const auto work = [&](unsigned char mark) {
    start.arrive_and_wait();
    std::array<unsigned char*, 8> held{};
    for (std::size_t i = 0; i < 40000; ++i) {
      unsigned char*& slot = held[i * 5 % held.size()];
      if (slot != nullptr) {
        ASSERT_EQ(slot[0], mark);
      }
      allocator.Free(slot);
      slot =
          static_cast<unsigned char*>(allocator.Allocate(64 + i % 7 * 100, MemoryCategory::kData));
      slot[0] = mark;
    }
    for (unsigned char* data : held) allocator.Free(data);
  };
  {
    const std::jthread first(work, 1);
    const std::jthread second(work, 2);
  }
  EXPECT_EQ(allocator.stats().active_bytes, 0);
  allocator.ReleaseCached();
  EXPECT_EQ(backend.held_bytes(), 0U);
}

TEST(FailingAllocatorTest, FailsOnceAtTheChosenAllocation) {
  LimitedBackend backend;
  CachingAllocator inner(backend);
  FailingAllocator allocator(inner, 2);
  void* first = allocator.Allocate(64, MemoryCategory::kData);
  OutOfMemoryMessage([&] { allocator.Allocate(64, MemoryCategory::kData); });
  EXPECT_EQ(inner.stats().active_bytes, 64);
  void* third = allocator.Allocate(64, MemoryCategory::kData);
  EXPECT_EQ(allocator.allocations(), 3);
  allocator.Free(first);
  allocator.Free(third);
}

}  // namespace
}  // namespace nasengine
