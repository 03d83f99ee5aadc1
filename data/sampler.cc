// SPDX-License-Identifier: MIT
#include "data/sampler.h"

#include <algorithm>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine {

std::int64_t BatchesPerEpoch(std::int64_t images, std::int64_t batch_size, SampleOrder order) {
  const bool drops_last = order == SampleOrder::kShuffled;
  return drops_last ? images / batch_size : (images + batch_size - 1) / batch_size;
}

std::vector<std::int64_t> BatchSizes(std::int64_t images, std::int64_t batch_size,
                                     SampleOrder order) {
  const std::int64_t first = std::min(batch_size, images);
  std::vector<std::int64_t> sizes{first};
  if (order != SampleOrder::kShuffled && images % first != 0) sizes.push_back(images % first);
  return sizes;
}

Sampler::Sampler(std::vector<std::int32_t> indices, std::int64_t batch_size, SampleOrder order,
                 std::uint32_t seed)
    : indices_(std::move(indices)),
      batch_size_(batch_size),
      order_(order),
      rng_(seed, RngPurpose::kOrder) {
  NAS_CHECK(batch_size > 0, "sampler: batch size ", batch_size, ", expected at least 1");
  const auto images = static_cast<std::int64_t>(indices_.size());
  batches_ = BatchesPerEpoch(images, batch_size, order_);
  NAS_CHECK(batches_ > 0, "sampler: ", images, " images do not fill one batch of ", batch_size);
}

std::int64_t Sampler::images() const {
  return std::min(batches_ * batch_size_, static_cast<std::int64_t>(indices_.size()));
}

std::int64_t Sampler::size_of(std::int64_t batch) const {
  NAS_CHECK(batch >= 0 && batch < batches_, "sampler: no batch ", batch, ", an epoch has ",
            batches_);
  return std::min(batch_size_, images() - batch * batch_size_);
}

std::vector<std::int32_t> Sampler::EpochOrder(std::int64_t epoch) const {
  if (order_ == SampleOrder::kSequential) return indices_;
  std::vector<std::int32_t> order = rng_.Permutation(static_cast<std::int32_t>(indices_.size()),
                                                     static_cast<std::uint64_t>(epoch));
  for (std::int32_t& entry : order) entry = indices_[static_cast<std::size_t>(entry)];
  return order;
}

std::span<const std::int32_t> Sampler::Cut(std::span<const std::int32_t> epoch_order,
                                           std::int64_t batch) const {
  const std::int64_t size = size_of(batch);
  return epoch_order.subspan(static_cast<std::size_t>(batch * batch_size_),
                             static_cast<std::size_t>(size));
}

}  // namespace nasengine
