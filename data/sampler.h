// Which images make up which batch: the order of an epoch and its cuts.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/rng.h"

namespace nasengine {

enum class SampleOrder {
  kShuffled,       // training: a new order every epoch, the last partial batch is dropped
  kShuffledWhole,  // the same, but the last batch may be smaller
  kSequential,     // evaluation: as given, the last batch may be smaller
};

// Batches that an epoch of so many images has.
std::int64_t BatchesPerEpoch(std::int64_t images, std::int64_t batch_size, SampleOrder order);
// The sizes that they have: that of the first, and of a smaller last one.
std::vector<std::int64_t> BatchSizes(std::int64_t images, std::int64_t batch_size,
                                     SampleOrder order);

class Sampler {
 public:
  // Throws kInvalidArgument when batch_size is not positive, or when there is not a single batch.
  Sampler(std::vector<std::int32_t> indices, std::int64_t batch_size, SampleOrder order,
          std::uint32_t seed);

  const std::vector<std::int32_t>& indices() const { return indices_; }
  std::int64_t batch_size() const { return batch_size_; }
  std::int64_t batches() const { return batches_; }
  // Images that an epoch delivers.
  std::int64_t images() const;
  // Images of batch `batch`: batch_size(), or what is left for the last one of an evaluation.
  // Throws kInvalidArgument unless 0 <= batch < batches().
  std::int64_t size_of(std::int64_t batch) const;

  // All indices in the order of `epoch`: Rng(seed, kOrder).Permutation keyed by the epoch, or as
  // given.
  std::vector<std::int32_t> EpochOrder(std::int64_t epoch) const;
  // The part of an epoch's order that batch `batch` takes; 0 <= batch < batches().
  std::span<const std::int32_t> Cut(std::span<const std::int32_t> epoch_order,
                                    std::int64_t batch) const;

 private:
  std::vector<std::int32_t> indices_;
  std::int64_t batch_size_;
  SampleOrder order_;
  Rng rng_;
  std::int64_t batches_;
};

}  // namespace nasengine
