// Memory of one batch: as the host fills it and as the device reads it. On a CPU these are the
// same; elsewhere a filled batch is uploaded beside the device's computation.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>

#include "data/batch.h"
#include "data/dataset.h"
#include "kernels/core/allocator.h"
#include "kernels/core/device_backend.h"

namespace nasengine {

// Where batches lie, and how they get there: null where the host writes to the device's memory.
// Both must outlive whoever is given them.
struct BatchMemory {
  BatchMemory(Allocator& device_memory, UploadQueue* queue = nullptr)  // NOLINT(*-explicit-*)
      : allocator(device_memory), uploads(queue) {}
  Allocator& allocator;
  UploadQueue* uploads;
};

// The calls follow each other in this order, batch after batch. Thread rule: Fill and Filled may
// belong to another thread than Use and Release, with a lock between.
class BatchBuffer {
 public:
  // Of `n` images, category kData. Throws kOutOfMemory.
  BatchBuffer(const BatchMemory& memory, std::int64_t n, const ImageShape& image);
  ~BatchBuffer();
  BatchBuffer(BatchBuffer&&) noexcept;
  BatchBuffer& operator=(BatchBuffer&&) = delete;

  // Memory of the host for the first `n` images, to be written.
  Batch Fill(std::int64_t n);
  // It has been written: starts its way to the device.
  void Filled(std::int64_t n);
  // The first `n` images as the device reads them, valid until Release.
  Batch Use(std::int64_t n);
  // Everything that reads them has been submitted.
  void Release();

 private:
  class StagingAllocator;

  UploadQueue* uploads_;
  std::unique_ptr<StagingAllocator> staging_;
  Batch device_;
  Batch host_;
  UploadQueue::Ticket uploaded_ = 0;
  UploadQueue::Ticket released_ = 0;
};

}  // namespace nasengine
