// SPDX-License-Identifier: MIT
#include "data/loader.h"

#include <algorithm>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

void CheckIndices(const Dataset& dataset, std::span<const std::int32_t> indices) {
  for (const std::int32_t index : indices) {
    NAS_CHECK(index >= 0 && index < dataset.size(), "loader: ", dataset.name(), " has no image ",
              index, ", it has ", dataset.size());
  }
}

}  // namespace

void FillBatch(const Dataset& dataset, std::span<const std::int32_t> indices,
               const Augment& augment, std::int64_t epoch, const Batch& batch,
               std::vector<std::uint8_t>& scratch) {
  const auto n = static_cast<std::int64_t>(indices.size());
  const ImageShape image = dataset.image_shape();
  NAS_CHECK(batch.images.shape() == (Shape{n, image.h, image.w, image.c}) &&
                batch.labels.shape() == Shape{n},
            "loader: a batch ", ToString(batch.images.shape()), " for ", n, " images ",
            ToString(image));
  const auto elements = static_cast<std::size_t>(image.elements());
  scratch.resize(elements);
  float* pixels = batch.images.As<float>();
  std::int32_t* labels = batch.labels.As<std::int32_t>();
  for (const std::int32_t index : indices) {
    dataset.ReadImage(index, scratch);
    augment.Apply(scratch, epoch, index, {pixels, elements});
    *labels++ = dataset.label(index);
    pixels += elements;
  }
}

Loader::Loader(const Dataset& dataset, std::vector<std::int32_t> indices, LoaderConfig config,
               const BatchMemory& memory)
    : dataset_(dataset),
      sampler_(std::move(indices), config.batch_size, config.order, config.seed),
      augment_(std::move(config.augment), dataset.image_shape(), config.seed) {
  NAS_CHECK(config.ahead >= 1, "loader: ", config.ahead, " batches ahead, expected at least 1");
  CheckIndices(dataset, sampler_.indices());
  const std::int64_t n = std::min(config.batch_size, sampler_.images());
  // One more than are ahead, for the batch in use.
  for (int slot = 0; slot <= config.ahead; ++slot) {
    slots_.emplace_back(memory, n, dataset.image_shape());
    free_slots_.push_back(slot);
  }
  ready_slots_.reserve(slots_.size());
  worker_ = std::thread([this] { Work(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_or_stop_.notify_one();
  worker_.join();
}

Batch Loader::Next() {
  std::unique_lock lock(mutex_);
  if (held_slot_.has_value()) {
    slots_[static_cast<std::size_t>(*held_slot_)].Release();
    free_slots_.push_back(*held_slot_);
    held_slot_.reset();
    work_or_stop_.notify_one();
  }
  ready_or_failed_.wait(lock, [this] { return !ready_slots_.empty() || failure_ != nullptr; });
  if (ready_slots_.empty()) std::rethrow_exception(failure_);
  held_slot_ = ready_slots_.front();
  ready_slots_.erase(ready_slots_.begin());
  Batch batch = slots_[static_cast<std::size_t>(*held_slot_)].Use(sampler_.size_of(next_.batch));
  batch.epoch = next_.epoch;
  batch.index = next_.batch;
  next_ = After(next_);
  return batch;
}

void Loader::Seek(const LoaderPosition& position) {
  NAS_CHECK(position.epoch >= 0 && position.batch >= 0 && position.batch < sampler_.batches(),
            "loader: no position epoch ", position.epoch, " batch ", position.batch,
            ", an epoch has ", sampler_.batches(), " batches");
  {
    const std::lock_guard lock(mutex_);
    ++seeks_;
    free_slots_.insert(free_slots_.end(), ready_slots_.begin(), ready_slots_.end());
    ready_slots_.clear();
    to_prepare_ = position;
    failure_ = nullptr;
  }
  next_ = position;
  work_or_stop_.notify_one();
}

LoaderPosition Loader::After(LoaderPosition position) const {
  if (++position.batch == sampler_.batches()) position = {position.epoch + 1, 0};
  return position;
}

void Loader::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_or_stop_.wait(lock,
                       [this] { return stop_ || (failure_ == nullptr && !free_slots_.empty()); });
    if (stop_) return;
    PrepareOne(lock);
  }
}

void Loader::PrepareOne(std::unique_lock<std::mutex>& lock) {
  const int slot = free_slots_.back();
  free_slots_.pop_back();
  const LoaderPosition position = to_prepare_;
  const std::int64_t seeks = seeks_;
  std::exception_ptr failure;
  lock.unlock();
  try {
    Fill(slot, position);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  if (seeks != seeks_) {
    free_slots_.push_back(slot);
    return;
  }
  if (failure != nullptr) {
    free_slots_.push_back(slot);
    failure_ = failure;
  } else {
    ready_slots_.push_back(slot);
    to_prepare_ = After(position);
  }
  ready_or_failed_.notify_one();
}

void Loader::Fill(int slot, const LoaderPosition& position) {
  if (order_epoch_ != position.epoch) {
    order_ = sampler_.EpochOrder(position.epoch);
    order_epoch_ = position.epoch;
  }
  BatchBuffer& buffer = slots_[static_cast<std::size_t>(slot)];
  const std::int64_t n = sampler_.size_of(position.batch);
  FillBatch(dataset_, sampler_.Cut(order_, position.batch), augment_, position.epoch,
            buffer.Fill(n), scratch_);
  buffer.Filled(n);
}

EvalBatches::EvalBatches(const Dataset& dataset, std::vector<std::int32_t> indices,
                         std::int64_t batch_size, const ChannelStats& stats,
                         const BatchMemory& memory)
    : dataset_(dataset),
      sampler_(std::move(indices), batch_size, SampleOrder::kSequential, 0),
      augment_({.stats = stats}, dataset.image_shape(), 0),
      buffer_(memory, std::min(batch_size, sampler_.images()), dataset.image_shape()) {
  CheckIndices(dataset, sampler_.indices());
}

Batch EvalBatches::Get(std::int64_t index) {
  const std::int64_t n = sampler_.size_of(index);
  buffer_.Release();
  FillBatch(dataset_, sampler_.Cut(sampler_.indices(), index), augment_, 0, buffer_.Fill(n),
            scratch_);
  buffer_.Filled(n);
  Batch batch = buffer_.Use(n);
  batch.index = index;
  return batch;
}

}  // namespace nasengine
