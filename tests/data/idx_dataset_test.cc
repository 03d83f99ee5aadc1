// Reading IDX files: what they hold, and every way in which they can be wrong.
// SPDX-License-Identifier: MIT
#include "data/idx_dataset.h"

#include <gtest/gtest.h>

#include <vector>

#include "data/channel_stats.h"
#include "kernels/core/device_backend.h"
#include "tests/data/idx_files.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

class IdxDatasetTest : public testing::Test {
 protected:
  // Loads the two files from `images` and `labels` as bytes on disk; gzip is recognised by content.
  IdxDataset Load(const Bytes& images, const Bytes& labels, int classes = 10) {
    WriteBytes(dir_ / "images", images);
    WriteBytes(dir_ / "labels", labels);
    return IdxDataset(dir_ / "images", dir_ / "labels",
                      {.name = "set", .classes = classes, .class_names = {}}, allocator_);
  }
  void ExpectBad(ErrorCode code, const std::vector<std::string>& parts, const Bytes& images,
                 const Bytes& labels) {
    ExpectError(code, parts, [&] { Load(images, labels); });
    EXPECT_EQ(allocator_.stats().active_bytes, 0) << "a failed load keeps memory";
  }

  TempDir dir_;
  std::unique_ptr<DeviceBackend> backend_ = MakeCpuBackend();
  CachingAllocator allocator_{*backend_};
  const Bytes images_ = ImageBytes(4, 3, 5);
  const Bytes labels_ = LabelBytes({0, 1, 9, 1});
};

TEST_F(IdxDatasetTest, ReadsPlainAndGzippedFiles) {
  for (const bool zipped : {false, true}) {
    const IdxDataset set = Load(zipped ? Gzip(images_) : images_, zipped ? Gzip(labels_) : labels_);
    EXPECT_EQ(set.size(), 4);
    EXPECT_EQ(set.image_shape(), (ImageShape{3, 5, 1}));
    EXPECT_EQ(set.classes(), 10);
    EXPECT_EQ(set.label(2), 9);
    Bytes image(15);
    set.ReadImage(3, image);
    for (std::size_t p = 0; p < 15; ++p) {
      EXPECT_EQ(image[p], static_cast<std::uint8_t>(7 * (45 + p)));
    }
  }
}

TEST_F(IdxDatasetTest, CountsItsBytesAsData) {
  const IdxDataset set = Load(images_, labels_);
  const auto data = static_cast<std::size_t>(MemoryCategory::kData);
  EXPECT_GE(allocator_.stats().active_by_category[data], 60 + 4);
  EXPECT_EQ(allocator_.stats().active_by_category[data], allocator_.stats().active_bytes);
}

TEST_F(IdxDatasetTest, RefusesWrongIndexAndWrongSize) {
  const IdxDataset set = Load(images_, labels_);
  Bytes image(15), small(14);
  ExpectError(ErrorCode::kInvalidArgument, {"set", "no image 4", "has 4"},
              [&] { set.ReadImage(4, image); });
  ExpectError(ErrorCode::kInvalidArgument, {"no image -1"}, [&] { set.label(-1); });
  ExpectError(ErrorCode::kInvalidArgument, {"14 bytes", "3x5x1", "15"},
              [&] { set.ReadImage(0, small); });
}

TEST_F(IdxDatasetTest, RefusesEveryTruncatedGzip) {
  const Bytes zipped = Gzip(images_);
  for (std::size_t keep = 4; keep < zipped.size(); ++keep) {
    const Bytes part(zipped.begin(), zipped.begin() + static_cast<std::ptrdiff_t>(keep));
    ExpectBad(ErrorCode::kIo, {"images", "truncated gzip"}, part, labels_);
  }
}

TEST_F(IdxDatasetTest, RefusesCorruptGzip) {
  Bytes wrong_crc = Gzip(images_);
  wrong_crc[wrong_crc.size() - 8] ^= 1;
  ExpectBad(ErrorCode::kIo, {"images", "corrupt gzip", "incorrect data check"}, wrong_crc, labels_);
  Bytes wrong_length = Gzip(labels_);
  wrong_length[wrong_length.size() - 4] ^= 1;
  ExpectBad(ErrorCode::kIo, {"labels", "corrupt gzip", "incorrect length check"}, images_,
            wrong_length);
  Bytes wrong_block = Gzip(images_);
  wrong_block[10] |= 6;  // a block of the reserved type
  ExpectBad(ErrorCode::kIo, {"images", "corrupt gzip"}, wrong_block, labels_);
}

TEST_F(IdxDatasetTest, RefusesWrongMagic) {
  ExpectBad(ErrorCode::kInvalidArgument, {"images", "found 0x801", "expected 0x803"}, labels_,
            labels_);
  ExpectBad(ErrorCode::kInvalidArgument, {"labels", "found 0x803", "expected 0x801"}, images_,
            images_);
  ExpectBad(ErrorCode::kInvalidArgument, {"found 0x89504e47"}, {0x89, 'P', 'N', 'G'}, labels_);
}

TEST_F(IdxDatasetTest, RefusesShortHeader) {
  ExpectBad(ErrorCode::kInvalidArgument, {"ends after 0 bytes", "16"}, {}, labels_);
  const Bytes part(images_.begin(), images_.begin() + 10);
  ExpectBad(ErrorCode::kInvalidArgument, {"ends after 10 bytes", "16"}, part, labels_);
}

TEST_F(IdxDatasetTest, RefusesHeaderThatPromisesMore) {
  Bytes missing = images_;
  missing.pop_back();
  ExpectBad(ErrorCode::kInvalidArgument, {"4 images", "more than the file can hold"}, missing,
            labels_);
  ExpectBad(ErrorCode::kInvalidArgument, {"promises 60 bytes", "the file has 59"}, Gzip(missing),
            labels_);
  // 2^96 bytes: neither an overflow nor an attempt to allocate them.
  const Bytes huge = IdxBytes({0x803, 0xffffffff, 0xffffffff, 0xffffffff}, {1, 2, 3});
  ExpectBad(ErrorCode::kInvalidArgument, {"4294967295 images", "can hold"}, huge, labels_);
  ExpectBad(ErrorCode::kInvalidArgument, {"4294967295 images", "can hold"}, Gzip(huge), labels_);
  const Bytes none = IdxBytes({0x803, 0, 3, 5}, {});
  ExpectBad(ErrorCode::kInvalidArgument, {"size 0 of the header is 0"}, none, labels_);
}

TEST_F(IdxDatasetTest, RefusesTrailingBytes) {
  Bytes longer = images_;
  longer.push_back(0);
  ExpectBad(ErrorCode::kInvalidArgument, {"images", "left over", "60"}, longer, labels_);
  ExpectBad(ErrorCode::kInvalidArgument, {"images", "left over", "60"}, Gzip(longer), labels_);
}

TEST_F(IdxDatasetTest, RefusesLabelOutOfRange) {
  ExpectBad(ErrorCode::kInvalidArgument, {"labels", "label 10", "index 2", "0 to 9", "10 classes"},
            images_, LabelBytes({0, 1, 10, 255}));
}

TEST_F(IdxDatasetTest, RefusesCountMismatch) {
  ExpectBad(ErrorCode::kInvalidArgument, {"4 images", "5 labels"}, images_,
            LabelBytes({0, 1, 2, 3, 4}));
}

TEST_F(IdxDatasetTest, RefusesMissingFileAndFolder) {
  const IdxOptions options{.name = "set", .classes = 10, .class_names = {}};
  ExpectError(ErrorCode::kNotFound, {"absent", "no such file"},
              [&] { IdxDataset(dir_ / "absent", dir_ / "labels", options, allocator_); });
  ExpectError(ErrorCode::kIo, {"not a file"},
              [&] { IdxDataset(dir_.path(), dir_ / "labels", options, allocator_); });
}

TEST_F(IdxDatasetTest, LoadsFolderAndDerivesClasses) {
  WriteFolder(dir_.path(), {0, 2, 1, 4}, {4, 0});
  EXPECT_TRUE(HoldsIdx(dir_.path()));
  const TrainAndTest sets = LoadIdx(dir_.path() / "", allocator_);
  EXPECT_EQ(sets.train->size(), 4);
  EXPECT_EQ(sets.test->size(), 2);
  EXPECT_EQ(sets.train->classes(), 5);
  EXPECT_EQ(sets.test->classes(), 5);
  EXPECT_EQ(sets.test->name(), dir_.path().filename().string() + " test");

  WriteFolder(dir_.path(), {0, 2, 1, 4}, {4, 5});
  ExpectError(ErrorCode::kInvalidArgument, {"t10k-labels", "label 5", "index 1", "0 to 4"},
              [&] { LoadIdx(dir_.path(), allocator_); });
}

TEST_F(IdxDatasetTest, DamagedLabelDoesNotAddClasses) {
  WriteFolder(dir_.path(), {0, 1, 200, 2}, {0, 1});
  ExpectError(ErrorCode::kInvalidArgument,
              {"train-labels", "label 200 at index 2", "no image has label 3"},
              [&] { LoadIdx(dir_.path(), allocator_); });
  WriteFolder(dir_.path(), {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {11, 1});
  EXPECT_EQ(LoadIdx(dir_.path(), allocator_).train->classes(), 12);
}

TEST_F(IdxDatasetTest, RefusesTestImagesOfAnotherSize) {
  WriteFolder(dir_.path(), {0, 1}, {0, 1});
  WriteBytes(dir_ / "t10k-images-idx3-ubyte", ImageBytes(2, 2, 3));
  ExpectError(ErrorCode::kInvalidArgument, {"3x2x1", "2x3x1"},
              [&] { LoadIdx(dir_.path(), allocator_); });
}

TEST_F(IdxDatasetTest, NamesThePackageWhenFashionMnistIsAbsent) {
  EXPECT_FALSE(HoldsIdx(dir_.path()));
  ExpectError(ErrorCode::kNotFound, {dir_.path().string(), "dataset-fashion-mnist"},
              [&] { LoadFashionMnist(allocator_, dir_.path()); });
}

TEST_F(IdxDatasetTest, FashionMnistIsTheKnownSet) {
  if (!HoldsIdx(kFashionMnistDirectory)) GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  const TrainAndTest sets = LoadFashionMnist(allocator_);
  EXPECT_EQ(sets.train->size(), 60000);
  EXPECT_EQ(sets.test->size(), 10000);
  EXPECT_EQ(sets.train->image_shape(), (ImageShape{28, 28, 1}));
  EXPECT_EQ(sets.train->class_names().at(9), "Ankle boot");
  const std::vector<int> first_train = {9, 0, 0, 3, 0, 2, 7, 2, 5, 5};
  const std::vector<int> first_test = {9, 2, 1, 1, 6, 1, 4, 6, 5, 7};
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(sets.train->label(i), first_train[static_cast<std::size_t>(i)]);
    EXPECT_EQ(sets.test->label(i), first_test[static_cast<std::size_t>(i)]);
  }
  for (const auto& [set, per_class] :
       {std::pair{sets.train.get(), 6000}, {sets.test.get(), 1000}}) {
    std::vector<int> counts(10);
    for (std::int64_t i = 0; i < set->size(); ++i) {
      ++counts[static_cast<std::size_t>(set->label(i))];
    }
    EXPECT_EQ(counts, std::vector<int>(10, per_class));
  }
  // Published to four decimals.
  const ChannelStats stats = ComputeChannelStats(*sets.train);
  EXPECT_NEAR(stats.mean.at(0), 0.2860, 0.00005);
  EXPECT_NEAR(stats.std.at(0), 0.3530, 0.00005);
}

}  // namespace
}  // namespace nasengine
