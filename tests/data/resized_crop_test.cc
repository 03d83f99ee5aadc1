// Windows drawn as published, and their enlargement against a plain version pixel by pixel.
// SPDX-License-Identifier: MIT
#include "data/resized_crop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "tests/data/idx_files.h"

namespace nasengine {
namespace {

const Rng kRng(5, RngPurpose::kAugment);
constexpr double kRounding = 0x1p-24;  // of a number up to 1 in f32

Bytes RandomImage(const ImageShape& shape, std::uint32_t seed) {
  Bytes image(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < image.size(); ++i) {
    image[i] = static_cast<std::uint8_t>(Rng(seed, RngPurpose::kTest).Below(256, 0, i));
  }
  return image;
}

// Channel c of output pixel (y, x), by the definition of linear interpolation.
double PlainPixel(const Bytes& image, const ImageShape& shape, const CropWindow& window,
                  std::int64_t y, std::int64_t x, std::int64_t c) {
  const auto at = [](std::int64_t i, std::int64_t size, std::int64_t length) {
    const double centre =
        (static_cast<double>(i) + 0.5) * static_cast<double>(length) / static_cast<double>(size) -
        0.5;
    return std::clamp(centre, 0.0, static_cast<double>(length - 1));
  };
  const double v = at(y, shape.h, window.h);
  const double u = at(x, shape.w, window.w);
  double sum = 0;
  for (std::int64_t i = 0; i < window.h; ++i) {
    for (std::int64_t j = 0; j < window.w; ++j) {
      const double weight = std::max(0.0, 1 - std::abs(v - static_cast<double>(i))) *
                            std::max(0.0, 1 - std::abs(u - static_cast<double>(j)));
      const auto index = ((window.y + i) * shape.w + window.x + j) * shape.c + c;
      sum += weight * image[static_cast<std::size_t>(index)] / 255;
    }
  }
  return sum;
}

TEST(ResizedCropTest, EnlargesAsThePlainVersion) {
  const ImageShape shapes[] = {{9, 12, 3}, {16, 16, 1}, {1, 5, 2}, {7, 1, 1}};
  for (const ImageShape& shape : shapes) {
    for (std::int64_t image = 0; image < 20; ++image) {
      const CropWindow window = DrawCropWindow({}, shape, kRng, 1, image);
      const Bytes bytes = RandomImage(shape, static_cast<std::uint32_t>(image));
      for (const bool flip : {false, true}) {
        // What a wrong version leaves unwritten shows as NaN.
        std::vector<float> out(bytes.size(), std::nanf(""));
        EnlargeWindow(bytes, shape, window, flip, out);
        std::size_t i = 0;
        for (std::int64_t y = 0; y < shape.h; ++y) {
          for (std::int64_t x = 0; x < shape.w; ++x) {
            for (std::int64_t c = 0; c < shape.c; ++c) {
              const double expected =
                  PlainPixel(bytes, shape, window, y, flip ? shape.w - 1 - x : x, c);
              // Two weights, six products and sums along x, four along y.
              ASSERT_NEAR(out[i++], expected, 12 * kRounding) << y << " " << x << " " << c;
            }
          }
        }
      }
    }
  }
}

TEST(ResizedCropTest, TheWholeWindowIsTheImage) {
  const ImageShape shape{6, 8, 3};
  const Bytes bytes = RandomImage(shape, 1);
  std::vector<float> out(bytes.size());
  EnlargeWindow(bytes, shape, {.h = 6, .w = 8}, false, out);
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], bytes[i] / 255.0, 2 * kRounding);
}

TEST(ResizedCropTest, WindowsKeepTheirLimitsAndUseThem) {
  const ImageShape shape{200, 240, 3};
  const auto area = static_cast<double>(shape.h * shape.w);
  double smallest = 1, largest = 0, narrowest = 10, widest = 0, log_ratios = 0;
  const int draws = 4000;
  for (int i = 0; i < draws; ++i) {
    const CropWindow window = DrawCropWindow({}, shape, kRng, i % 7, i);
    ASSERT_GE(window.y, 0);
    ASSERT_GE(window.x, 0);
    ASSERT_LE(window.y + window.h, shape.h);
    ASSERT_LE(window.x + window.w, shape.w);
    const auto h = static_cast<double>(window.h), w = static_cast<double>(window.w);
    smallest = std::min(smallest, h * w / area);
    largest = std::max(largest, h * w / area);
    narrowest = std::min(narrowest, w / h);
    widest = std::max(widest, w / h);
    if (window.h < shape.h / 2 && window.w < shape.w / 2) log_ratios += std::log(w / h);
  }
  // Rounding to whole pixels moves a side of at least 49 by half a pixel.
  EXPECT_NEAR(smallest, 0.08, 0.08 * 0.03);
  EXPECT_GT(largest, 0.9);
  EXPECT_LE(largest, 1.0);
  EXPECT_NEAR(narrowest, 0.75, 0.75 * 0.03);
  EXPECT_NEAR(widest, 4.0 / 3, 4.0 / 3 * 0.03);
  // Small windows always fit, so that their ratios are even in the logarithm: each at most
  // ln(4/3) away from 0, five standard deviations of the sum.
  EXPECT_NEAR(log_ratios, 0, 5 * std::log(4.0 / 3) / std::sqrt(3.0) * std::sqrt(draws));
}

TEST(ResizedCropTest, PlacesAreUniform) {
  // A quarter of the area at ratio 1: 8 x 8 of 16 x 16, at one of 9 x 9 places.
  const ResizedCropConfig quarter{
      .min_area = 0.25, .max_area = 0.25, .min_ratio = 1, .max_ratio = 1};
  std::map<std::int64_t, int> ys, xs;
  const int draws = 4500;
  for (int i = 0; i < draws; ++i) {
    const CropWindow window = DrawCropWindow(quarter, {16, 16, 1}, kRng, 0, i);
    ASSERT_EQ(window.h, 8);
    ASSERT_EQ(window.w, 8);
    ++ys[window.y];
    ++xs[window.x];
  }
  for (const auto& counts : {ys, xs}) {
    EXPECT_EQ(counts.size(), 9u);
    for (const auto& [place, count] : counts) {
      EXPECT_NEAR(count, draws / 9.0, 5 * std::sqrt(draws / 9.0 * 8 / 9)) << place;
    }
  }
}

TEST(ResizedCropTest, WhatNeverFitsIsTheLargestWindowAroundTheCentre) {
  const ResizedCropConfig nearly_all{.min_area = 0.9, .max_area = 1};
  EXPECT_EQ(DrawCropWindow(nearly_all, {6, 60, 1}, kRng, 0, 0),
            (CropWindow{.y = 0, .x = 26, .h = 6, .w = 8}));
  EXPECT_EQ(DrawCropWindow(nearly_all, {60, 6, 1}, kRng, 0, 0),
            (CropWindow{.y = 26, .x = 0, .h = 8, .w = 6}));
  EXPECT_EQ(DrawCropWindow({}, {1, 1, 1}, kRng, 0, 3), (CropWindow{.h = 1, .w = 1}));
}

TEST(ResizedCropTest, RefusesImpossibleLimits) {
  ExpectError(ErrorCode::kInvalidArgument, {"areas 0 to 1"},
              [] { CheckResizedCrop({.min_area = 0}); });
  ExpectError(ErrorCode::kInvalidArgument, {"areas 0.08 to 1.5"},
              [] { CheckResizedCrop({.max_area = 1.5}); });
  ExpectError(ErrorCode::kInvalidArgument, {"ratios 2 to 1"},
              [] { CheckResizedCrop({.min_ratio = 2, .max_ratio = 1}); });
}

}  // namespace
}  // namespace nasengine
