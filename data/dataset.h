// What every data set offers: bytes of images and integer labels, by index.
//
// A Dataset is immutable once built; every method may be called from any thread.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace nasengine {

// Height, width and channels of an image, stored row by row with the channels innermost.
struct ImageShape {
  std::int64_t h = 0;
  std::int64_t w = 0;
  std::int64_t c = 0;
  std::int64_t elements() const { return h * w * c; }
  friend bool operator==(const ImageShape&, const ImageShape&) = default;
};
std::string ToString(const ImageShape& shape);  // "28x28x1"

class Dataset {
 public:
  virtual ~Dataset() = default;

  // For people: "fashion-mnist train".
  virtual const std::string& name() const = 0;
  virtual std::int64_t size() const = 0;
  virtual ImageShape image_shape() const = 0;
  virtual int classes() const = 0;
  // One name a class, or empty when the set has none.
  virtual std::vector<std::string> class_names() const { return {}; }

  // In [0, classes()). Throws kInvalidArgument when `index` is not in [0, size()).
  virtual std::int32_t label(std::int64_t index) const = 0;
  // Writes image `index` to `hwc`, image_shape().elements() bytes. Throws kInvalidArgument on a
  // wrong index or size.
  virtual void ReadImage(std::int64_t index, std::span<std::uint8_t> hwc) const = 0;

 protected:
  // What label and ReadImage owe their callers; the message carries the name and the numbers.
  void CheckIndex(std::int64_t index) const;
  void CheckRead(std::int64_t index, std::span<const std::uint8_t> hwc) const;
};

// What a loader of files returns.
struct TrainAndTest {
  std::unique_ptr<Dataset> train;
  std::unique_ptr<Dataset> test;
};

}  // namespace nasengine
