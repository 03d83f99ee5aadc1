// After preparation, a search's steps ask the system for nothing.
//
// "The system" is counted in two ways. Tensors and scratch: the regions that the caching allocator
// takes from the device backend. Everything else: this program replaces the C library's allocation
// functions and counts calls for 128 KiB and more, the size from which the C library maps a block
// of its own; and what it holds from the system (mallinfo2: heaps and mapped blocks together) may
// grow by at most 1 MiB over all the steps. That is the heap of small blocks, which takes 132 KiB
// at a time when tape nodes of other sizes fragment it or the vendor's matrix product packs into
// buffers of its own; a tensor kept in every step, or one taken from the system, is far beyond it.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

#include "data/split.h"
#include "data/synthetic_dataset.h"
#include "nas/search/darts_searcher.h"
#include "nas/search/gradient_searcher.h"
#include "nas/search/two_path_searcher.h"
#include "nas/space/space_file.h"
#include "nas/supernet/prepare.h"
#include "nas/train/evaluator.h"
#include "nas/train/trainer.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/supernet_fixture.h"

// Sanitizers replace the same functions.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define NASENGINE_COUNTS_MALLOC 1

namespace {

constexpr std::size_t kLargeBytes = std::size_t{128} << 10;
std::atomic<long> large_allocations = 0;

void Count(std::size_t bytes) {
  if (bytes >= kLargeBytes) large_allocations.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

extern "C" {

// The C library's own names for what this program replaces.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

void* malloc(std::size_t bytes) {
  Count(bytes);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  Count(count * bytes);
  return __libc_calloc(count, bytes);
}
void* realloc(void* data, std::size_t bytes) {
  Count(bytes);
  return __libc_realloc(data, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  Count(bytes);
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  Count(bytes);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** data, std::size_t alignment, std::size_t bytes) {
  Count(bytes);
  void* block = __libc_memalign(alignment, bytes);
  if (block == nullptr) return ENOMEM;
  *data = block;
  return 0;
}

}  // extern "C"

namespace {

struct SystemMemory {
  long large_allocations;
  std::size_t heap_bytes;
};
SystemMemory Now() {
  const struct mallinfo2 info = mallinfo2();
  return {large_allocations.load(), info.arena + info.hblkhd};
}

}  // namespace
#endif

namespace nasengine {
namespace {

class AllocationTest : public SupernetFixture {
 protected:
  // Prepares both kinds of step of the searcher and takes them for a while on the default space.
  template <class SearcherOfSteps>
  void ExpectStepsFromTheRegion(std::int64_t batch_size, std::uint64_t steps,
                                DType dtype = DType::kF32) {
    const SearchSpace space = LoadSpace("fashion");
    const LatencyModel model(space, FakeLatencyTable(space));
    Supernet supernet(context(), space, {.dtype = dtype});
    supernet.Initialize(1);
    const Batch batch = RandomBatch(space, batch_size);
    SearcherOfSteps searcher(
        supernet, &model,
        Objective({.reference_ms = model.ReferenceMs()}, model.SmallestReachableMs()),
        {.seed = 1, .alpha_lr = 0.01});
    std::vector<SizedStep> sized;
    for (const PlannedStep step : SearcherOfSteps::kSteps) sized.push_back({step, batch_size});
    PrepareSupernet(context(), allocator(), supernet, sized);
    const MemoryStats stats = allocator().stats();
    const std::size_t workspace = context().workspace_bytes();
    for (std::uint64_t step = 0; step < steps; ++step) {
      if (const std::optional<Path> path = searcher.WeightPath(step)) {
        Trainer({}).Step(context(), supernet, *path, batch, 0.01);
      } else {
        Trainer({}).StepAllPaths(context(), supernet, batch, 0.01);
      }
      searcher.ArchitectureStep(context(), batch, step);
    }
    EXPECT_EQ(allocator().stats().system_allocations, stats.system_allocations);
    EXPECT_EQ(allocator().stats().active_bytes, stats.active_bytes);
    EXPECT_EQ(context().workspace_bytes(), workspace);
  }
};

TEST_F(AllocationTest, StepsOfTwoPathsComeFromTheRegion) {
  ExpectStepsFromTheRegion<TwoPathSearcher>(8, 40);
}

TEST_F(AllocationTest, StepsInBf16ComeFromTheRegion) {
  ExpectStepsFromTheRegion<GradientSearcher>(8, 40, DType::kBf16);
}

TEST_F(AllocationTest, StepsOfAllPathsComeFromTheRegion) {
  ExpectStepsFromTheRegion<DartsSearcher>(4, 8);
}

TEST_F(AllocationTest, TwoHundredStepsOverRandomPathsTakeNothingFromTheSystem) {
#ifndef NASENGINE_COUNTS_MALLOC
  GTEST_SKIP() << "a sanitizer owns the allocation functions";
#else
  constexpr std::int64_t kBatch = 8;
  const SearchSpace space = LoadSpace("fashion");
  const LatencyModel model(space, FakeLatencyTable(space));
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  const Batch weight_batch = RandomBatch(space, kBatch, 1);
  const Batch arch_batch = RandomBatch(space, kBatch, 2);
  const Trainer trainer({});
  GradientSearcher searcher(
      supernet, &model,
      Objective({.reference_ms = model.ReferenceMs()}, model.SmallestReachableMs()),
      {.seed = 1, .alpha_lr = 0.01});
  PrepareSupernet(context(), allocator(), supernet,
                  {{PlannedStep::kWeights, kBatch}, {PlannedStep::kArchitecture, kBatch}});

  const MemoryStats stats = allocator().stats();
  const std::size_t workspace = context().workspace_bytes();
  const SystemMemory before = Now();
  for (std::uint64_t step = 0; step < 200; ++step) {
    trainer.Step(context(), supernet, *searcher.WeightPath(step), weight_batch, 0.01);
    if (step % 5 == 1) searcher.ArchitectureStep(context(), arch_batch, step);
  }
  const SystemMemory after = Now();
  EXPECT_EQ(allocator().stats().system_allocations, stats.system_allocations);
  EXPECT_EQ(allocator().stats().active_bytes, stats.active_bytes);
  EXPECT_EQ(context().workspace_bytes(), workspace);
  EXPECT_EQ(after.large_allocations, before.large_allocations);
  EXPECT_LE(after.heap_bytes, before.heap_bytes + (std::size_t{1} << 20));

  // The counters see what they are there for.
  const Tensor more = context().Empty({std::int64_t{1} << 28}, DType::kU8, MemoryCategory::kData);
  EXPECT_GT(allocator().stats().system_allocations, stats.system_allocations);
  const std::vector<char> large(kLargeBytes << 4, 'x');
  EXPECT_EQ(large.back(), 'x');
  EXPECT_GT(Now().large_allocations, after.large_allocations);
  EXPECT_GT(Now().heap_bytes, after.heap_bytes);
#endif
}

TEST_F(AllocationTest, APreparedNetworkTrainsAndIsEvaluatedFromItsRegion) {
  const SearchSpace space = TinySpace({.input = {16, 16, 3}});
  const SyntheticDataset data({.shape = {16, 16, 3}, .classes = 3, .count = 50});
  EvalBatches batches(data, AllIndices(data), 16, ComputeChannelStats(data), allocator());
  Network network(context(), nasengine::Derive(space, Path{1, 1}));
  network.Initialize(1);
  const Batch batch = RandomBatch(space, 24);
  PrepareTraining(context(), allocator(), network, std::vector<std::int64_t>{24});
  const std::int64_t system_allocations = allocator().stats().system_allocations;
  const Rng dropout(1, RngPurpose::kDropout);
  for (std::uint64_t step = 0; step < 5; ++step) {
    Trainer({}).Step(context(), network, batch, 0.01, {.dropout_rng = &dropout, .step = step});
  }
  Evaluate(context(), network, batches);
  EXPECT_EQ(allocator().stats().system_allocations, system_allocations);
}

}  // namespace
}  // namespace nasengine
