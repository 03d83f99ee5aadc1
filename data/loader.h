// Batches prepared ahead of their use, in an order that only the seed decides.
// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "data/augment.h"
#include "data/batch.h"
#include "data/batch_buffer.h"
#include "data/dataset.h"
#include "data/sampler.h"

namespace nasengine {

struct LoaderConfig {
  std::int64_t batch_size = 128;
  SampleOrder order = SampleOrder::kShuffled;
  AugmentConfig augment;
  std::uint32_t seed = 0;  // of the order and of the augmentation
  int ahead = 2;           // batches prepared ahead of the one in use, at least 1
};

struct LoaderPosition {
  std::int64_t epoch = 0;
  std::int64_t batch = 0;
  friend bool operator==(const LoaderPosition&, const LoaderPosition&) = default;
};

// Endless over epochs. One thread of its own, which never enters OpenMP, prepares batches into
// `ahead` + 1 buffers of category kData; nothing is allocated from the allocator afterwards.
//
// `dataset` and the memory must outlive the loader. Next, Seek and position belong to one thread.
class Loader {
 public:
  // Throws kInvalidArgument as Sampler and Augment do, and kOutOfMemory.
  Loader(const Dataset& dataset, std::vector<std::int32_t> indices, LoaderConfig config,
         const BatchMemory& memory);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The batch at position(), which then moves on. Its tensors are buffers of the loader: their
  // contents stay until the next call of Next. Rethrows what preparing that batch threw; the
  // position then stays, and so does the failure until Seek.
  Batch Next();

  // The next batch will be `position`, exactly as if all before it had been taken. The contents of
  // the batch taken last stay. Throws kInvalidArgument for a position that does not exist.
  void Seek(const LoaderPosition& position);
  const LoaderPosition& position() const { return next_; }

  std::int64_t batches_per_epoch() const { return sampler_.batches(); }
  std::int64_t images_per_epoch() const { return sampler_.images(); }

 private:
  void Work();
  // Holds the lock except while it prepares.
  void PrepareOne(std::unique_lock<std::mutex>& lock);
  void Fill(int slot, const LoaderPosition& position);
  LoaderPosition After(LoaderPosition position) const;

  const Dataset& dataset_;
  Sampler sampler_;
  Augment augment_;
  std::vector<BatchBuffer> slots_;
  LoaderPosition next_;           // of the caller's thread
  std::optional<int> held_slot_;  // of the caller's thread: the slot that Next gave out last

  std::mutex mutex_;
  std::condition_variable work_or_stop_;
  std::condition_variable ready_or_failed_;
  // Guarded by mutex_.
  std::vector<int> free_slots_;
  std::vector<int> ready_slots_;  // in the order in which Next hands them out
  LoaderPosition to_prepare_;
  std::int64_t seeks_ = 0;  // a batch begun before the latest seek is thrown away
  std::exception_ptr failure_;
  bool stop_ = false;

  // Of the worker alone.
  std::int64_t order_epoch_ = -1;
  std::vector<std::int32_t> order_;
  std::vector<std::uint8_t> scratch_;

  std::thread worker_;
};

// Reads, augments and stacks the images `indices` as they come in `epoch`, on the calling thread:
// images (n, h, w, c) f32 and labels (n) i32 with n = indices.size(), in memory of the host, are
// overwritten. `scratch` is
// resized to one image. Throws kInvalidArgument on a shape mismatch.
void FillBatch(const Dataset& dataset, std::span<const std::int32_t> indices,
               const Augment& augment, std::int64_t epoch, const Batch& batch,
               std::vector<std::uint8_t>& scratch);

// The batches of an evaluation, by number: sequential, not augmented, the last may be smaller.
// Prepared by the calling thread into one buffer. `dataset` and the memory must outlive it.
class EvalBatches {
 public:
  // Throws as Loader does.
  EvalBatches(const Dataset& dataset, std::vector<std::int32_t> indices, std::int64_t batch_size,
              const ChannelStats& stats, const BatchMemory& memory);

  std::int64_t count() const { return sampler_.batches(); }
  std::int64_t images() const { return sampler_.images(); }
  // Batch `index`, 0 <= index < count(); its contents stay until the next call.
  Batch Get(std::int64_t index);

 private:
  const Dataset& dataset_;
  Sampler sampler_;
  Augment augment_;
  BatchBuffer buffer_;
  std::vector<std::uint8_t> scratch_;
};

}  // namespace nasengine
