// Reading CIFAR-10's binary files: what they hold, and every way in which they can be wrong.
// SPDX-License-Identifier: MIT
#include "data/cifar_dataset.h"

#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "kernels/core/device_backend.h"
#include "tests/data/cifar_files.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

class CifarDatasetTest : public testing::Test {
 protected:
  CifarDatasetTest() { WriteCifarFolder(dir_.path()); }

  TrainAndTest Load() { return LoadCifar10(dir_.path(), allocator_); }
  void ExpectBad(ErrorCode code, const std::vector<std::string>& parts) {
    ExpectError(code, parts, [&] { Load(); });
    EXPECT_EQ(allocator_.stats().active_bytes, 0) << "a failed load keeps memory";
  }

  TempDir dir_;
  std::unique_ptr<DeviceBackend> backend_ = MakeCpuBackend();
  CachingAllocator allocator_{*backend_};
};

TEST_F(CifarDatasetTest, ReadsTheFilesInTheirOrder) {
  const TrainAndTest sets = Load();
  EXPECT_EQ(sets.train->name(), "cifar10 train");
  EXPECT_EQ(sets.train->size(), 10);
  EXPECT_EQ(sets.test->size(), 3);
  EXPECT_EQ(sets.train->classes(), 10);
  EXPECT_EQ(sets.train->image_shape(), (ImageShape{32, 32, 3}));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(sets.train->label(i), i);
  EXPECT_EQ(sets.test->label(2), 4);
}

TEST_F(CifarDatasetTest, PutsThePlanesOfAPixelTogether) {
  const TrainAndTest sets = Load();
  Bytes image(3072);
  sets.train->ReadImage(7, image);  // the second of its file
  const Bytes record = CifarBytes({6, 7});
  for (std::size_t row = 0; row < 32; ++row) {
    for (std::size_t column = 0; column < 32; ++column) {
      for (std::size_t channel = 0; channel < 3; ++channel) {
        const std::size_t planar = 1024 * channel + 32 * row + column;
        EXPECT_EQ(image[3 * (32 * row + column) + channel], record[kCifarRecordBytes + 1 + planar]);
      }
    }
  }
}

TEST_F(CifarDatasetTest, CountsItsBytesAsData) {
  const TrainAndTest sets = Load();
  const auto data = static_cast<std::size_t>(MemoryCategory::kData);
  EXPECT_GE(allocator_.stats().active_by_category[data], 13 * 3073);
  EXPECT_EQ(allocator_.stats().active_by_category[data], allocator_.stats().active_bytes);
}

TEST_F(CifarDatasetTest, ReadsClassNamesWhereTheyAre) {
  EXPECT_TRUE(Load().train->class_names().empty());
  std::ofstream(dir_ / "batches.meta.txt") << "a\nb\r\nc\nd\ne\nf\ng\nh\ni\nj\n\n";
  const std::vector<std::string> names = Load().test->class_names();
  ASSERT_EQ(names.size(), 10u);
  EXPECT_EQ(names[1], "b");
  std::ofstream(dir_ / "batches.meta.txt") << "a\nb\n";
  ExpectBad(ErrorCode::kInvalidArgument, {"batches.meta.txt", "found 2 class names, expected 10"});
}

TEST_F(CifarDatasetTest, RefusesPartsOfARecord) {
  const Bytes whole = CifarBytes({1, 2});
  for (const std::size_t keep :
       {std::size_t{1}, std::size_t{3072}, std::size_t{3074}, whole.size() - 1}) {
    WriteBytes(dir_ / "data_batch_4.bin",
               Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(keep)));
    const std::string record = std::to_string(keep / kCifarRecordBytes);
    const std::string byte = std::to_string(keep / kCifarRecordBytes * kCifarRecordBytes);
    ExpectBad(
        ErrorCode::kInvalidArgument,
        {"data_batch_4.bin: record " + record + " (byte " + byte + "): found " +
         std::to_string(keep % kCifarRecordBytes) + " bytes, expected whole records of 3073"});
  }
  WriteBytes(dir_ / "data_batch_4.bin", {});
  ExpectBad(ErrorCode::kInvalidArgument,
            {"data_batch_4.bin: record 0 (byte 0): found 0 bytes, expected whole records of 3073"});
}

TEST_F(CifarDatasetTest, RefusesLabelsOutOfRangeWithTheirPlace) {
  WriteBytes(dir_ / "test_batch.bin", CifarBytes({9, 3, 10}));
  ExpectBad(ErrorCode::kInvalidArgument,
            {"test_batch.bin: record 2 (byte 6146): found label 10, expected 0 to 9"});
}

TEST_F(CifarDatasetTest, RefusesMissingFilesAndFolders) {
  std::filesystem::remove(dir_ / "data_batch_3.bin");
  EXPECT_TRUE(HoldsCifar10(dir_.path()));
  ExpectBad(ErrorCode::kNotFound, {"data_batch_3.bin: found no such file, expected"});
  std::filesystem::create_directory(dir_ / "data_batch_3.bin");
  ExpectBad(ErrorCode::kIo, {"data_batch_3.bin", "expected a file"});
  EXPECT_FALSE(HoldsCifar10(dir_ / "data_batch_3.bin"));
}

TEST_F(CifarDatasetTest, RefusesWrongIndexAndWrongSize) {
  const TrainAndTest sets = Load();
  Bytes image(3072), small(3071);
  ExpectError(ErrorCode::kInvalidArgument, {"cifar10 train: no image 10, it has 10"},
              [&] { sets.train->ReadImage(10, image); });
  ExpectError(ErrorCode::kInvalidArgument, {"no image -1"}, [&] { sets.train->label(-1); });
  ExpectError(ErrorCode::kInvalidArgument, {"3071 bytes", "32x32x3", "3072"},
              [&] { sets.train->ReadImage(0, small); });
}

}  // namespace
}  // namespace nasengine
