// The loader: order independent of timing, exact seeking, failures, memory. Meant for the thread
// sanitizer too.
// SPDX-License-Identifier: MIT
#include "data/loader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "data/channel_stats.h"
#include "data/split.h"
#include "data/synthetic_dataset.h"
#include "kernels/core/device_backend.h"
#include "tests/data/idx_files.h"
#include "tests/support/failing_allocator.h"

namespace nasengine {
namespace {

constexpr std::int64_t kImages = 50;

// Forwards to a synthetic set, slowly or not at all where it is told to.
class TroubledDataset final : public Dataset {
 public:
  const std::string& name() const override { return inner_.name(); }
  std::int64_t size() const override { return inner_.size(); }
  ImageShape image_shape() const override { return inner_.image_shape(); }
  int classes() const override { return inner_.classes(); }
  std::int32_t label(std::int64_t index) const override { return inner_.label(index); }
  void ReadImage(std::int64_t index, std::span<std::uint8_t> hwc) const override {
    if (index == fails_at) throw std::runtime_error("image is gone");
    const int delay_us = delay_us_of_odd;
    if (delay_us > 0 && index % 2 == 1) {
      std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
    }
    inner_.ReadImage(index, hwc);
    ++reads;
  }

  std::atomic<int> delay_us_of_odd = 0;
  std::atomic<std::int64_t> fails_at = -1;
  mutable std::atomic<std::int64_t> reads = 0;

 private:
  SyntheticDataset inner_{{.shape = {6, 7, 2}, .classes = 5, .count = kImages}};
};

// A batch whose contents outlive the loader's buffers.
struct Kept {
  std::int64_t epoch, index;
  std::vector<float> images;
  std::vector<std::int32_t> labels;
  friend bool operator==(const Kept&, const Kept&) = default;
};

Kept Keep(const Batch& batch) {
  const float* images = batch.images.As<float>();
  const std::int32_t* labels = batch.labels.As<std::int32_t>();
  return {batch.epoch,
          batch.index,
          {images, images + batch.images.elements()},
          {labels, labels + batch.labels.elements()}};
}

class LoaderTest : public testing::Test {
 protected:
  // Six batches of 8 an epoch, 2 images dropped.
  LoaderConfig Config() const {
    return {.batch_size = 8,
            .augment = {.stats = {{0.5f, 0.4f}, {0.2f, 0.3f}}, .pad = 1, .flip = true, .cutout = 2},
            .seed = 4};
  }
  std::vector<Kept> Take(Loader& loader, int count) {
    std::vector<Kept> kept;
    for (int i = 0; i < count; ++i) kept.push_back(Keep(loader.Next()));
    return kept;
  }

  TroubledDataset set_;
  std::unique_ptr<DeviceBackend> backend_ = MakeCpuBackend();
  CachingAllocator allocator_{*backend_};
};

TEST_F(LoaderTest, DeliversWhatSamplerAndAugmentSay) {
  const LoaderConfig config = Config();
  Loader loader(set_, AllIndices(set_), config, allocator_);
  EXPECT_EQ(loader.batches_per_epoch(), 6);
  EXPECT_EQ(loader.images_per_epoch(), 48);
  const Sampler sampler(AllIndices(set_), 8, SampleOrder::kShuffled, config.seed);
  const Augment augment(config.augment, set_.image_shape(), config.seed);
  for (std::int64_t step = 0; step < 14; ++step) {
    EXPECT_EQ(loader.position(), (LoaderPosition{step / 6, step % 6}));
    const Batch batch = loader.Next();
    ASSERT_EQ(batch.images.shape(), (Shape{8, 6, 7, 2}));
    EXPECT_EQ(batch.epoch, step / 6);
    EXPECT_EQ(batch.index, step % 6);
    const auto order = sampler.EpochOrder(batch.epoch);
    const float* images = batch.images.As<float>();
    for (const std::int32_t index : sampler.Cut(order, batch.index)) {
      Bytes bytes(84);
      std::vector<float> expected(84);
      set_.ReadImage(index, bytes);
      augment.Apply(bytes, batch.epoch, index, expected);
      EXPECT_EQ(std::vector<float>(images, images + 84), expected);
      images += 84;
    }
    EXPECT_EQ(batch.labels.As<std::int32_t>()[0],
              set_.label(sampler.Cut(order, batch.index).front()));
  }
}

TEST_F(LoaderTest, ContentsDoNotDependOnTimingOrDepth) {
  LoaderConfig config = Config();
  Loader plain(set_, AllIndices(set_), config, allocator_);
  const std::vector<Kept> expected = Take(plain, 15);
  set_.delay_us_of_odd = 200;
  for (const int ahead : {1, 2, 5}) {
    config.ahead = ahead;
    Loader loader(set_, AllIndices(set_), config, allocator_);
    for (int step = 0; step < 15; ++step) {
      if (step % 4 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      EXPECT_EQ(Keep(loader.Next()), expected[static_cast<std::size_t>(step)]);
    }
  }
}

TEST_F(LoaderTest, SeekIsExactFromAnywhere) {
  Loader loader(set_, AllIndices(set_), Config(), allocator_);
  const std::vector<Kept> expected = Take(loader, 20);
  for (const int to : {0, 19, 5, 6, 6, 13, 1, 12}) {
    loader.Seek({to / 6, to % 6});
    EXPECT_EQ(loader.position(), (LoaderPosition{to / 6, to % 6}));
    for (int step = to; step < std::min(20, to + 3); ++step) {
      EXPECT_EQ(Keep(loader.Next()), expected[static_cast<std::size_t>(step)]);
    }
  }
}

TEST_F(LoaderTest, ManySeeksInARowLoseNoBuffer) {
  set_.delay_us_of_odd = 20;
  Loader loader(set_, AllIndices(set_), Config(), allocator_);
  const std::vector<Kept> expected = Take(loader, 12);
  for (int round = 0; round < 200; ++round) {
    const int to = round * 7 % 12;
    loader.Seek({to / 6, to % 6});
    if (round % 3 == 0) {
      EXPECT_EQ(Keep(loader.Next()), expected[static_cast<std::size_t>(to)]);
    }
  }
}

TEST_F(LoaderTest, BatchStaysUntilTheNextCall) {
  LoaderConfig config = Config();
  config.ahead = 1;
  Loader loader(set_, AllIndices(set_), config, allocator_);
  const Batch batch = loader.Next();
  const Kept before = Keep(batch);
  // Time enough to fill every free buffer, before and after a seek.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(Keep(batch), before);
  loader.Seek({3, 0});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(Keep(batch), before);
}

TEST_F(LoaderTest, PreparesAheadButNoFurther) {
  LoaderConfig config = Config();
  config.ahead = 3;
  Loader loader(set_, AllIndices(set_), config, allocator_);
  loader.Next();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (set_.reads < 4 * 8 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(set_.reads, 4 * 8) << "one batch in use and three ahead";
}

TEST_F(LoaderTest, AllocatesOnlyWhenItIsMade) {
  FailingAllocator counting(allocator_, 0);
  {
    Loader loader(set_, AllIndices(set_), Config(), counting);
    const int made = counting.allocations();
    EXPECT_EQ(made, 3 * 2);
    const auto data = static_cast<std::size_t>(MemoryCategory::kData);
    EXPECT_EQ(allocator_.stats().active_by_category[data], allocator_.stats().active_bytes);
    Take(loader, 40);
    loader.Seek({0, 0});
    Take(loader, 3);
    EXPECT_EQ(counting.allocations(), made);
  }
  EXPECT_EQ(allocator_.stats().active_bytes, 0);
}

TEST_F(LoaderTest, FailedAllocationLeavesNothingBehind) {
  for (int fail_at = 1; fail_at <= 6; ++fail_at) {
    FailingAllocator failing(allocator_, fail_at);
    ExpectError(ErrorCode::kOutOfMemory, {"allocation"},
                [&] { Loader(set_, AllIndices(set_), Config(), failing); });
    EXPECT_EQ(allocator_.stats().active_bytes, 0);
  }
}

TEST_F(LoaderTest, WorkerFailureSurfacesAtItsBatchAndSeekClearsIt) {
  LoaderConfig config = Config();
  config.order = SampleOrder::kSequential;
  set_.fails_at = 17;  // in batch 2
  Loader loader(set_, AllIndices(set_), config, allocator_);
  EXPECT_EQ(loader.Next().index, 0);
  EXPECT_EQ(loader.Next().index, 1);
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      loader.Next();
      ADD_FAILURE() << "the failure is lost";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "image is gone");
    }
    EXPECT_EQ(loader.position(), (LoaderPosition{0, 2}));
  }
  set_.fails_at = -1;
  loader.Seek({0, 2});
  // A buffer given back twice would be filled again while it is in use.
  for (std::int64_t b = 2; b < 6; ++b) {
    const Batch batch = loader.Next();
    const Kept before = Keep(batch);
    EXPECT_EQ(batch.index, b);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(Keep(batch), before);
  }
}

TEST_F(LoaderTest, StopsCleanlyAtAnyTime) {
  set_.delay_us_of_odd = 100;
  for (int taken = 0; taken < 20; ++taken) {
    Loader loader(set_, AllIndices(set_), Config(), allocator_);
    Take(loader, taken % 4);
  }
  EXPECT_EQ(allocator_.stats().active_bytes, 0);
}

TEST_F(LoaderTest, RefusesWrongArguments) {
  auto make = [&](LoaderConfig config, std::vector<std::int32_t> indices) {
    Loader(set_, std::move(indices), std::move(config), allocator_);
  };
  LoaderConfig config = Config();
  config.batch_size = 51;
  ExpectError(ErrorCode::kInvalidArgument, {"50 images", "51"},
              [&] { make(config, AllIndices(set_)); });
  config = Config();
  config.ahead = 0;
  ExpectError(ErrorCode::kInvalidArgument, {"0 batches ahead"},
              [&] { make(config, AllIndices(set_)); });
  config = Config();
  config.batch_size = 1;
  ExpectError(ErrorCode::kInvalidArgument, {"no image 50"}, [&] { make(config, {0, 50}); });
  Loader loader(set_, AllIndices(set_), Config(), allocator_);
  ExpectError(ErrorCode::kInvalidArgument, {"batch 6", "6 batches"}, [&] { loader.Seek({0, 6}); });
  ExpectError(ErrorCode::kInvalidArgument, {"epoch -1"}, [&] { loader.Seek({-1, 0}); });
}

TEST_F(LoaderTest, SequentialOrderKeepsTheSmallerLastBatch) {
  LoaderConfig config = Config();
  config.order = SampleOrder::kSequential;
  config.batch_size = 20;
  Loader loader(set_, AllIndices(set_), config, allocator_);
  std::vector<std::int64_t> sizes;
  for (int i = 0; i < 4; ++i) sizes.push_back(loader.Next().size());
  EXPECT_EQ(sizes, (std::vector<std::int64_t>{20, 20, 10, 20}));
}

TEST_F(LoaderTest, EvalBatchesCoverTheSetOnceInOrder) {
  const ChannelStats stats{{0.5f, 0.4f}, {0.2f, 0.3f}};
  EvalBatches batches(set_, AllIndices(set_), 20, stats, allocator_);
  ASSERT_EQ(batches.count(), 3);
  EXPECT_EQ(batches.images(), kImages);
  const Augment augment({.stats = stats}, set_.image_shape(), 0);
  for (const std::int64_t b : {2, 0, 1}) {
    const Batch batch = batches.Get(b);
    ASSERT_EQ(batch.size(), b == 2 ? 10 : 20);
    EXPECT_EQ(batch.index, b);
    for (std::int64_t i = 0; i < batch.size(); ++i) {
      Bytes bytes(84);
      std::vector<float> expected(84);
      set_.ReadImage(20 * b + i, bytes);
      augment.Apply(bytes, 0, 0, expected);
      const float* image = batch.images.As<float>() + 84 * i;
      EXPECT_EQ(std::vector<float>(image, image + 84), expected);
      EXPECT_EQ(batch.labels.As<std::int32_t>()[i], set_.label(20 * b + i));
    }
  }
  ExpectError(ErrorCode::kInvalidArgument, {"no batch 3"}, [&] { batches.Get(3); });
}

}  // namespace
}  // namespace nasengine
