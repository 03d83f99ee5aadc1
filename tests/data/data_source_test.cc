// What --data accepts, what it refuses, and the statistics that come with it.
// SPDX-License-Identifier: MIT
#include "data/data_source.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <optional>
#include <string>

#include "data/synthetic_dataset.h"
#include "kernels/core/device_backend.h"
#include "tests/data/cifar_files.h"
#include "tests/data/idx_files.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

// The home folder while the object lives.
class HomeFolder {
 public:
  explicit HomeFolder(const std::filesystem::path& path) {
    if (const char* old = getenv("HOME")) old_ = old;
    setenv("HOME", path.c_str(), 1);
  }
  ~HomeFolder() { old_ ? setenv("HOME", old_->c_str(), 1) : unsetenv("HOME"); }
  HomeFolder(const HomeFolder&) = delete;
  HomeFolder& operator=(const HomeFolder&) = delete;

 private:
  std::optional<std::string> old_;
};

class DataSourceTest : public testing::Test {
 protected:
  DataSource Open(const std::string& value) { return OpenDataSource(value, allocator_); }

  std::unique_ptr<DeviceBackend> backend_ = MakeCpuBackend();
  CachingAllocator allocator_{*backend_};
};

TEST_F(DataSourceTest, OpensSyntheticSets) {
  const DataSource source = Open("synthetic:12x10x3:7");
  EXPECT_EQ(source.name, "synthetic:12x10x3:7");
  EXPECT_EQ(source.train->image_shape(), (ImageShape{12, 10, 3}));
  EXPECT_EQ(source.train->classes(), 7);
  EXPECT_EQ(source.train->size(), 4096);
  EXPECT_EQ(source.test->size(), 1024);
  EXPECT_EQ(source.stats.mean.size(), 3u);
  EXPECT_EQ(Open("synthetic:4x4x1:1000").train->size(), 8000);
  EXPECT_EQ(allocator_.stats().active_bytes, 0);
}

TEST_F(DataSourceTest, OptionsSetCountsAndSeedOfSyntheticSets) {
  const DataSource source =
      OpenDataSource("synthetic:4x4x1:2", allocator_,
                     {.synthetic_seed = 9, .synthetic_train_count = 10, .synthetic_test_count = 6});
  EXPECT_EQ(source.train->size(), 10);
  EXPECT_EQ(source.test->size(), 6);
  const SyntheticDataset expected({.shape = {4, 4, 1}, .classes = 2, .count = 10, .seed = 9});
  Bytes image(16), other(16);
  source.train->ReadImage(3, image);
  expected.ReadImage(3, other);
  EXPECT_EQ(image, other);
}

TEST_F(DataSourceTest, RefusesWrongSyntheticValues) {
  for (const std::string value : {"synthetic:", "synthetic:32x32:10", "synthetic:32x32x3",
                                  "synthetic:32x32x3:", "synthetic:0x4x1:2", "synthetic:4x4x1:0",
                                  "synthetic:-4x4x1:2", "synthetic:4x4x1:2x", "synthetic:4x4x1:2 ",
                                  "synthetic:4:4:1:2", "synthetic:99999999999999999999x4x1:2"}) {
    ExpectError(ErrorCode::kInvalidArgument, {value, "expected synthetic:HxWxC:K"},
                [&] { Open(value); });
  }
  ExpectError(ErrorCode::kInvalidArgument, {"at most 4096x4096x64"},
              [&] { Open("synthetic:5000x4x1:2"); });
}

TEST_F(DataSourceTest, OpensFolderAndExpandsHome) {
  const TempDir home;
  std::filesystem::create_directory(home / "digits");
  WriteFolder(home / "digits", {0, 1, 2}, {2, 1});
  EXPECT_EQ(Open((home / "digits").string()).train->size(), 3);

  const HomeFolder as_home(home.path());
  const DataSource source = Open("~/digits");
  EXPECT_EQ(source.name, "~/digits");
  EXPECT_EQ(source.train->classes(), 3);
}

TEST_F(DataSourceTest, RefusesAnythingElseWithTheList) {
  const TempDir empty;
  WriteBytes(empty / "file", {1});
  for (const std::string& value :
       {std::string(), std::string("cifar10"), std::string("folder:/data"), std::string("fashion"),
        std::string("/no/such/folder"), empty.path().string(), (empty / "file").string()}) {
    ExpectError(ErrorCode::kInvalidArgument,
                {"--data", value, "fashion-mnist", "synthetic:HxWxC:K", "cifar10:DIR", "IDX"},
                [&] { Open(value); });
  }
}

TEST_F(DataSourceTest, OpensCifar10ByNameAndByItsFiles) {
  const TempDir home;
  WriteCifarFolder(home.path());
  const HomeFolder as_home(home.path());
  for (const std::string& value :
       {"cifar10:" + home.path().string(), home.path().string(), std::string("cifar10:~")}) {
    const DataSource source = Open(value);
    EXPECT_EQ(source.name, value);
    EXPECT_EQ(source.train->size(), 10);
    EXPECT_EQ(source.train->image_shape(), (ImageShape{32, 32, 3}));
    EXPECT_EQ(source.stats.mean.size(), 3u);
  }
  ExpectError(ErrorCode::kInvalidArgument, {"--data cifar10:", "cifar10:DIR"},
              [&] { Open("cifar10:"); });
  ExpectError(ErrorCode::kNotFound, {"/no/such/data_batch_1.bin", "CIFAR-10"},
              [&] { Open("cifar10:/no/such"); });
}

TEST_F(DataSourceTest, AbsoluteValuesOpenTheSameSetFromAnywhere) {
  EXPECT_EQ(AbsoluteDataSource("fashion-mnist"), "fashion-mnist");
  EXPECT_EQ(AbsoluteDataSource("synthetic:4x4x1:2"), "synthetic:4x4x1:2");
  EXPECT_EQ(AbsoluteDataSource("cifar10:/a/b"), "cifar10:/a/b");
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(AbsoluteDataSource("digits"), here + "/digits");
  EXPECT_EQ(AbsoluteDataSource("cifar10:./c"), "cifar10:" + here + "/c");
  const HomeFolder home("/home/someone");
  EXPECT_EQ(AbsoluteDataSource("cifar10:~/c"), "cifar10:/home/someone/c");
}

class RampDataset final : public Dataset {
 public:
  explicit RampDataset(std::int64_t size) : size_(size) {}
  const std::string& name() const override { return name_; }
  std::int64_t size() const override { return size_; }
  ImageShape image_shape() const override { return {1, 2, 2}; }
  int classes() const override { return 1; }
  std::int32_t label(std::int64_t) const override { return 0; }
  // Channel 0 is the index and its complement, channel 1 is constant.
  void ReadImage(std::int64_t index, std::span<std::uint8_t> hwc) const override {
    const auto value = static_cast<std::uint8_t>(index);
    hwc[0] = value;
    hwc[1] = 51;
    hwc[2] = static_cast<std::uint8_t>(255 - value);
    hwc[3] = 51;
  }

 private:
  std::string name_ = "ramp";
  std::int64_t size_;
};

TEST(ChannelStatsTest, ComputesEveryChannelByItself) {
  const ChannelStats stats = ComputeChannelStats(RampDataset(256));
  // 0 .. 255, each twice: variance (256^2 - 1) / 12.
  EXPECT_FLOAT_EQ(stats.mean.at(0), 0.5f);
  EXPECT_FLOAT_EQ(stats.std.at(0), static_cast<float>(std::sqrt(65535 / 12.0) / 255));
  EXPECT_FLOAT_EQ(stats.mean.at(1), 0.2f);
  EXPECT_EQ(stats.std.at(1), 1.0f);
}

TEST(ChannelStatsTest, LargeSetIsSampledAlikeEveryTime) {
  // 64 of 400 images of 2 MiB are read.
  const SyntheticDataset set({.shape = {1024, 1024, 2}, .classes = 4, .count = 400});
  const ChannelStats stats = ComputeChannelStats(set), again = ComputeChannelStats(set);
  EXPECT_EQ(stats.mean, again.mean);
  EXPECT_EQ(stats.std, again.std);
}

}  // namespace
}  // namespace nasengine
