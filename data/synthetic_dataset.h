// Seeded data sets made by formula, so that programs and tests have something to learn without a
// file: smooth patterns a class, and pairs of dots whose distance is the class.
//
// Nothing is stored: an image is a pure function of (seed, index) and is made when it is read.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "kernels/core/rng.h"

namespace nasengine {

struct SyntheticConfig {
  std::string name = "synthetic";
  ImageShape shape;
  int classes = 10;
  std::int64_t count = 4096;
  // Image i of the set is image first_index + i of the seed: disjoint ranges are disjoint sets of
  // the same classes.
  std::int64_t first_index = 0;
  std::uint32_t seed = 0;
};

// Label of image i is (first_index + i) mod classes, so classes are balanced. A class is a sum of
// two plane patterns sin(fy y + py) sin(fx x + px) with frequencies, phases and a weight for each
// channel of its own; an image adds a shift of the phases, a contrast and uniform noise.
class SyntheticDataset final : public Dataset {
 public:
  // Throws kInvalidArgument when a size, the count or the number of classes is not positive.
  explicit SyntheticDataset(SyntheticConfig config);

  const std::string& name() const override { return config_.name; }
  std::int64_t size() const override { return config_.count; }
  ImageShape image_shape() const override { return config_.shape; }
  int classes() const override { return config_.classes; }
  std::int32_t label(std::int64_t index) const override;
  void ReadImage(std::int64_t index, std::span<std::uint8_t> hwc) const override;

 private:
  SyntheticConfig config_;
  Rng rng_;
};

struct DotPairConfig {
  std::int64_t side = 28;  // images are side x side x 1; at least kDotPairMinSide
  std::int64_t count = 2048;
  std::int64_t first_index = 0;  // as in SyntheticConfig
  std::uint32_t seed = 0;
};

// Distance of the two dots of class 1, and those that class 0 draws from.
inline constexpr std::int64_t kDotPairDistance = 6;
inline constexpr std::array<std::int64_t, 3> kOtherDotPairDistances = {7, 8, 9};
// Dots keep this far from every border, so that padding never tells them apart.
inline constexpr std::int64_t kDotPairMargin = 6;
inline constexpr std::int64_t kDotPairMinSide = 22;

// Two dots of 255 on 0 in one row or one column. Class 1: kDotPairDistance apart; class 0: farther.
// A window narrower than 7 pixels never holds both dots, and every window position relative to a
// dot occurs, so the windows of an image are the same multiset in both classes: only a filter that
// spans 7 pixels can do better than chance. Labels alternate.
class DotPairDataset final : public Dataset {
 public:
  // Throws kInvalidArgument when side is below kDotPairMinSide or count is not positive.
  explicit DotPairDataset(const DotPairConfig& config);

  const std::string& name() const override { return name_; }
  std::int64_t size() const override { return config_.count; }
  ImageShape image_shape() const override { return {config_.side, config_.side, 1}; }
  int classes() const override { return 2; }
  std::vector<std::string> class_names() const override { return {"other", "six apart"}; }
  std::int32_t label(std::int64_t index) const override;
  void ReadImage(std::int64_t index, std::span<std::uint8_t> hwc) const override;

 private:
  DotPairConfig config_;
  std::string name_;
  Rng rng_;
};

}  // namespace nasengine
