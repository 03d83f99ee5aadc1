// The images of CIFAR-10 themselves, which are kept packed beside the repository.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/cifar_dataset.h"
#include "kernels/core/device_backend.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

struct Moments {
  double mean = 0;
  double variance = 0;
};

// Of one channel over all pixels; sums of bytes are exact in 64 bits.
Moments MomentsOf(const Dataset& set, std::size_t channel) {
  std::int64_t sum = 0, squares = 0;
  std::vector<std::uint8_t> image(3072);
  for (std::int64_t i = 0; i < set.size(); ++i) {
    set.ReadImage(i, image);
    for (std::size_t p = channel; p < image.size(); p += 3) {
      sum += image[p];
      squares += image[p] * image[p];
    }
  }
  const double pixels = 1024.0 * static_cast<double>(set.size());
  const double mean = static_cast<double>(sum) / pixels;
  return {mean, static_cast<double>(squares) / pixels - mean * mean};
}

// As many as published of every class, and the published mean and deviation.
TEST(Cifar10ImagesTest, AreTheKnownSet) {
  const char* shared = std::getenv("NASENGINE_SHARED");
  if (shared == nullptr) GTEST_SKIP() << "NASENGINE_SHARED does not name the folder with data";
  const std::filesystem::path packed = std::filesystem::path(shared) / "data" / "cifar10";
  if (!std::filesystem::exists(packed / "test_batch.bin.xz")) GTEST_SKIP() << packed;
  const TempDir folder;
  for (const std::string name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                 "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"}) {
    const std::string command =
        "xz -dc '" + (packed / (name + ".xz")).string() + "' > '" + (folder / name).string() + "'";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  std::filesystem::copy_file(packed / "batches.meta.txt", folder / "batches.meta.txt");

  const std::unique_ptr<DeviceBackend> backend = MakeCpuBackend();
  CachingAllocator allocator(*backend);
  const TrainAndTest sets = LoadCifar10(folder.path(), allocator);
  for (const auto& [set, per_class] :
       {std::pair{sets.train.get(), 5000}, {sets.test.get(), 1000}}) {
    std::vector<int> counts(10);
    for (std::int64_t i = 0; i < set->size(); ++i) {
      ++counts[static_cast<std::size_t>(set->label(i))];
    }
    EXPECT_EQ(counts, std::vector<int>(10, per_class));
  }
  EXPECT_EQ(sets.train->class_names().at(9), "truck");
  // Published to five decimals, of all training images together.
  const std::vector<double> mean = {0.49140, 0.48216, 0.44653};
  const std::vector<double> deviation = {0.24703, 0.24348, 0.26159};
  for (std::size_t c = 0; c < 3; ++c) {
    const Moments moments = MomentsOf(*sets.train, c);
    EXPECT_NEAR(moments.mean / 255, mean[c], 0.000005);
    EXPECT_NEAR(std::sqrt(moments.variance) / 255, deviation[c], 0.000005);
  }
}

}  // namespace
}  // namespace nasengine
