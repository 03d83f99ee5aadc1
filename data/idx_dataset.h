// Data sets in IDX files (the format of MNIST), gzipped or plain, held in memory.
//
// An image file is a big-endian header (magic 0x803, count, rows, columns) and a byte a pixel; a
// label file is magic 0x801, count and a byte a label.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "kernels/core/tensor.h"

namespace nasengine {

struct IdxOptions {
  std::string name;
  // Labels must be below this; 0 takes it from the labels (see LoadIdx).
  int classes = 0;
  std::vector<std::string> class_names;
};

class IdxDataset final : public Dataset {
 public:
  // Reads both files whole. Throws kNotFound when one is not there, kIo when it cannot be read or
  // its gzip stream is truncated or corrupt, kInvalidArgument when the contents are wrong (magic,
  // a count that the bytes do not bear out, bytes left over, labels out of range, images without
  // label). Every message names the file, what was found and what was expected.
  IdxDataset(const std::filesystem::path& images, const std::filesystem::path& labels,
             IdxOptions options, Allocator& allocator);

  const std::string& name() const override { return options_.name; }
  std::int64_t size() const override { return count_; }
  ImageShape image_shape() const override { return shape_; }
  int classes() const override { return options_.classes; }
  std::vector<std::string> class_names() const override { return options_.class_names; }
  std::int32_t label(std::int64_t index) const override;
  void ReadImage(std::int64_t index, std::span<std::uint8_t> hwc) const override;

 private:
  IdxOptions options_;
  std::int64_t count_ = 0;
  ImageShape shape_;
  Tensor images_;  // (n h w) u8, kData
  Tensor labels_;  // (n) u8, kData
};

// True when `directory` has train-images-idx3-ubyte, gzipped or not.
bool HoldsIdx(const std::filesystem::path& directory);

// Loads {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz] from `directory`. With `classes` 0 their
// number is one more than the largest training label; labels above 9 are then accepted only when
// no smaller label but 0 is missing, so that one damaged byte does not add a hundred classes.
// Throws as IdxDataset does, and kInvalidArgument when train and test images differ in size.
TrainAndTest LoadIdx(const std::filesystem::path& directory, Allocator& allocator, int classes = 0);

inline constexpr char kFashionMnistDirectory[] = "/usr/share/datasets/fashion-mnist";

// Loads Fashion-MNIST with its ten class names. Throws kNotFound naming the package that installs
// it when `directory` does not hold it.
TrainAndTest LoadFashionMnist(Allocator& allocator,
                              const std::filesystem::path& directory = kFashionMnistDirectory);

}  // namespace nasengine
