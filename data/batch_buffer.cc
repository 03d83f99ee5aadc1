// SPDX-License-Identifier: MIT
#include "data/batch_buffer.h"

namespace nasengine {
namespace {

Batch AllocateBatch(Allocator& allocator, std::int64_t n, const ImageShape& image) {
  return {.images = Tensor::Empty(allocator, {n, image.h, image.w, image.c}, DType::kF32,
                                  MemoryCategory::kData),
          .labels = Tensor::Empty(allocator, {n}, DType::kI32, MemoryCategory::kData)};
}

// The first `n` images of `full`.
Batch First(const Batch& full, std::int64_t n) {
  const Shape& shape = full.images.shape();
  return {.images = full.images.Slice(0, {n, shape[1], shape[2], shape[3]}),
          .labels = full.labels.Slice(0, {n})};
}

}  // namespace

// Host memory that the device reads by itself. It is not counted: it is not the device's.
class BatchBuffer::StagingAllocator final : public Allocator {
 public:
  explicit StagingAllocator(UploadQueue& uploads) : uploads_(uploads) {}
  void* Allocate(std::size_t bytes, MemoryCategory /*category*/) override {
    return uploads_.AllocateStaging(bytes);
  }
  void Free(void* data) noexcept override { uploads_.FreeStaging(data); }

 private:
  UploadQueue& uploads_;
};

BatchBuffer::BatchBuffer(const BatchMemory& memory, std::int64_t n, const ImageShape& image)
    : uploads_(memory.uploads), device_(AllocateBatch(memory.allocator, n, image)) {
  if (uploads_ == nullptr) {
    host_ = device_;
    return;
  }
  staging_ = std::make_unique<StagingAllocator>(*uploads_);
  host_ = AllocateBatch(*staging_, n, image);
}

BatchBuffer::~BatchBuffer() {
  // The device may still be reading what is freed now.
  if (staging_ != nullptr && uploaded_ != 0) uploads_->Finish(uploaded_);
}

BatchBuffer::BatchBuffer(BatchBuffer&&) noexcept = default;

Batch BatchBuffer::Fill(std::int64_t n) {
  if (uploads_ != nullptr && uploaded_ != 0) uploads_->Finish(uploaded_);
  return First(host_, n);
}

void BatchBuffer::Filled(std::int64_t n) {
  if (uploads_ == nullptr) return;
  const Batch from = First(host_, n);
  const Batch to = First(device_, n);
  const auto upload = [&](const Tensor& device, const Tensor& host) {
    uploaded_ = uploads_->Upload(device.data(), host.data(), static_cast<std::size_t>(host.bytes()),
                                 released_);
  };
  upload(to.images, from.images);
  upload(to.labels, from.labels);
}

Batch BatchBuffer::Use(std::int64_t n) {
  if (uploads_ != nullptr) uploads_->Await(uploaded_);
  return First(device_, n);
}

void BatchBuffer::Release() {
  if (uploads_ != nullptr) released_ = uploads_->Submitted();
}

}  // namespace nasengine
