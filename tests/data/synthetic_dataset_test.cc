// The sets made by formula: pure, balanced, learnable, and blind to small windows.
// SPDX-License-Identifier: MIT
#include "data/synthetic_dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <vector>

#include "tests/data/idx_files.h"

namespace nasengine {
namespace {

Bytes Read(const Dataset& set, std::int64_t index) {
  Bytes image(static_cast<std::size_t>(set.image_shape().elements()));
  set.ReadImage(index, image);
  return image;
}

TEST(SyntheticDatasetTest, ImageIsAFunctionOfSeedAndIndex) {
  const SyntheticConfig config{.shape = {9, 11, 3}, .classes = 4, .count = 20, .seed = 5};
  const SyntheticDataset set(config), again(config);
  SyntheticConfig later = config;
  later.first_index = 6;
  const SyntheticDataset shifted(later);
  SyntheticConfig other = config;
  other.seed = 6;
  EXPECT_EQ(Read(set, 7), Read(again, 7));
  EXPECT_EQ(Read(set, 7), Read(shifted, 1));
  EXPECT_EQ(set.label(7), shifted.label(1));
  EXPECT_NE(Read(set, 7), Read(set, 11));
  EXPECT_NE(Read(set, 7), Read(SyntheticDataset(other), 7));
}

TEST(SyntheticDatasetTest, ClassesAreBalanced) {
  const SyntheticDataset set({.shape = {4, 4, 1}, .classes = 5, .count = 100});
  std::vector<int> counts(5);
  for (std::int64_t i = 0; i < set.size(); ++i) ++counts[static_cast<std::size_t>(set.label(i))];
  EXPECT_EQ(counts, std::vector<int>(5, 20));
}

// The mean image of a class, from training images alone, must recognise test images.
TEST(SyntheticDatasetTest, NearestClassMeanRecognisesUnseenImages) {
  for (const ImageShape shape : {ImageShape{28, 28, 1}, ImageShape{32, 32, 3}}) {
    const SyntheticDataset train({.shape = shape, .classes = 10, .count = 400});
    const SyntheticDataset test({.shape = shape, .classes = 10, .count = 200, .first_index = 1000});
    std::vector<std::vector<double>> means(
        10, std::vector<double>(static_cast<std::size_t>(shape.elements())));
    for (std::int64_t i = 0; i < train.size(); ++i) {
      auto& mean = means[static_cast<std::size_t>(train.label(i))];
      const Bytes image = Read(train, i);
      for (std::size_t p = 0; p < image.size(); ++p) mean[p] += image[p] / 40.0;
    }
    int right = 0;
    for (std::int64_t i = 0; i < test.size(); ++i) {
      const Bytes image = Read(test, i);
      std::vector<double> distances;
      for (const auto& mean : means) {
        double sum = 0;
        for (std::size_t p = 0; p < image.size(); ++p) {
          sum += (image[p] - mean[p]) * (image[p] - mean[p]);
        }
        distances.push_back(sum);
      }
      const auto nearest = std::min_element(distances.begin(), distances.end());
      right += nearest - distances.begin() == test.label(i) ? 1 : 0;
    }
    EXPECT_GE(right, 190) << ToString(shape);
  }
}

TEST(SyntheticDatasetTest, RefusesWrongSizes) {
  ExpectError(ErrorCode::kInvalidArgument, {"0x4x1"}, [] {
    SyntheticDataset({.shape = {0, 4, 1}});
  });
  ExpectError(ErrorCode::kInvalidArgument, {"0 classes"}, [] {
    SyntheticDataset({.shape = {4, 4, 1}, .classes = 0});
  });
  ExpectError(ErrorCode::kInvalidArgument, {"side 21", "22"}, [] { DotPairDataset({.side = 21}); });
}

struct Dot {
  std::int64_t y, x;
};

template <class Pixel>
std::vector<Dot> Dots(const std::vector<Pixel>& image, std::int64_t side) {
  std::vector<Dot> dots;
  for (std::size_t p = 0; p < image.size(); ++p) {
    const auto at = static_cast<std::int64_t>(p);
    if (image[p] != 0) dots.push_back({at / side, at % side});
  }
  return dots;
}

TEST(DotPairDatasetTest, LabelSaysWhetherTheDotsAreSixApart) {
  for (const std::int64_t side : {kDotPairMinSide, std::int64_t{28}, std::int64_t{33}}) {
    const DotPairDataset set({.side = side, .count = 600, .seed = 3});
    int ones = 0;
    std::set<std::int64_t> distances;
    for (std::int64_t i = 0; i < set.size(); ++i) {
      const std::vector<Dot> dots = Dots(Read(set, i), side);
      ASSERT_EQ(dots.size(), 2u);
      const std::int64_t dy = dots[1].y - dots[0].y, dx = std::abs(dots[1].x - dots[0].x);
      ASSERT_TRUE(dy == 0 || dx == 0);
      EXPECT_EQ(set.label(i), dy + dx == 6 ? 1 : 0);
      distances.insert(dy + dx);
      ones += set.label(i);
      for (const Dot& dot : dots) {
        EXPECT_GE(std::min(dot.y, dot.x), kDotPairMargin);
        EXPECT_LT(std::max(dot.y, dot.x), side - kDotPairMargin);
      }
    }
    EXPECT_EQ(ones, 300);
    EXPECT_EQ(distances, (std::set<std::int64_t>{6, 7, 8, 9}));
  }
}

// How often each content of a window x window square occurs in an image, the surroundings being 0.
std::map<std::vector<int>, int> Windows(const Bytes& image, std::int64_t side,
                                        std::int64_t window) {
  std::map<std::vector<int>, int> counts;
  for (std::int64_t y = -window; y <= side; ++y) {
    for (std::int64_t x = -window; x <= side; ++x) {
      std::vector<int> content;
      for (std::int64_t v = y; v < y + window; ++v) {
        for (std::int64_t u = x; u < x + window; ++u) {
          const bool inside = v >= 0 && v < side && u >= 0 && u < side;
          content.push_back(inside ? image[static_cast<std::size_t>(v * side + u)] : 0);
        }
      }
      ++counts[content];
    }
  }
  return counts;
}

TEST(DotPairDatasetTest, OnlyWindowsOfSevenPixelsTellTheClassesApart) {
  const std::int64_t side = 28;
  const DotPairDataset set({.side = side, .count = 12, .seed = 1});
  for (const std::int64_t window : {3, 5, 6}) {
    const auto expected = Windows(Read(set, 0), side, window);
    for (std::int64_t i = 1; i < set.size(); ++i) {
      EXPECT_EQ(Windows(Read(set, i), side, window), expected) << "window " << window;
    }
  }
  for (std::int64_t i = 0; i < set.size(); ++i) {
    int pairs = 0;
    for (const auto& [content, count] : Windows(Read(set, i), side, 7)) {
      if (Dots(content, 7).size() == 2) pairs += count;
    }
    EXPECT_EQ(pairs, set.label(i) == 1 ? 7 : 0);
  }
}

}  // namespace
}  // namespace nasengine
