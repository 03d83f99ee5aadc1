// CIFAR-10 in its binary version, held in memory.
//
// A file is records of 3,073 bytes: the label, 0 to 9, then 32 x 32 bytes of red, of green and of
// blue, each row by row. data_batch_1.bin to data_batch_5.bin are the training images, in this
// order, test_batch.bin the test images; batches.meta.txt has a class name a line.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "kernels/core/tensor.h"

namespace nasengine {

class CifarDataset final : public Dataset {
 public:
  // Reads all records of `files`, which may hold any number. Throws kNotFound when a file is not
  // there, kIo when it cannot be read, kInvalidArgument when it is empty, ends within a record or
  // has a label above 9. Every message names the file, the record and its byte, what was found and
  // what was expected.
  CifarDataset(std::string name, std::span<const std::filesystem::path> files,
               std::vector<std::string> class_names, Allocator& allocator);

  const std::string& name() const override { return name_; }
  std::int64_t size() const override { return count_; }
  ImageShape image_shape() const override { return {32, 32, 3}; }
  int classes() const override { return 10; }
  std::vector<std::string> class_names() const override { return class_names_; }
  std::int32_t label(std::int64_t index) const override;
  void ReadImage(std::int64_t index, std::span<std::uint8_t> hwc) const override;

 private:
  std::string name_;
  std::vector<std::string> class_names_;
  std::int64_t count_ = 0;
  Tensor images_;  // (n h w c) u8, kData
  Tensor labels_;  // (n) u8, kData
};

// True when `directory` has data_batch_1.bin.
bool HoldsCifar10(const std::filesystem::path& directory);

// The six files of `directory`, with class names where batches.meta.txt is there. Throws as
// CifarDataset does, and kInvalidArgument for another number of names than ten.
TrainAndTest LoadCifar10(const std::filesystem::path& directory, Allocator& allocator);

}  // namespace nasengine
