// Augmentation against a plain pixel-by-pixel version, and the distribution of its choices.
// SPDX-License-Identifier: MIT
#include "data/augment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <vector>

#include "tests/data/idx_files.h"

namespace nasengine {
namespace {

ChannelStats Stats(std::int64_t channels) {
  ChannelStats stats;
  for (std::int64_t c = 0; c < channels; ++c) {
    stats.mean.push_back(0.3f + 0.1f * static_cast<float>(c));
    stats.std.push_back(0.2f + 0.05f * static_cast<float>(c));
  }
  return stats;
}

Bytes RandomImage(const ImageShape& shape, std::uint32_t seed) {
  Bytes image(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < image.size(); ++i) {
    image[i] = static_cast<std::uint8_t>(Rng(seed, RngPurpose::kTest).Below(256, 0, i));
  }
  return image;
}

// Normalise, flip, pad with zeros, crop, cut out: each as a step of its own, in double.
std::vector<double> Plain(const Bytes& image, const ImageShape& shape, const AugmentConfig& config,
                          const AugmentDraw& draw) {
  const auto pixel = [&](std::int64_t y, std::int64_t x, std::int64_t c) -> double {
    if (y < 0 || y >= shape.h || x < 0 || x >= shape.w) return 0;
    const std::int64_t from = draw.flip ? shape.w - 1 - x : x;
    const double byte = image[static_cast<std::size_t>((y * shape.w + from) * shape.c + c)];
    const auto k = static_cast<std::size_t>(c);
    return (byte / 255 - config.stats.mean[k]) / config.stats.std[k];
  };
  std::vector<double> out;
  for (std::int64_t y = 0; y < shape.h; ++y) {
    for (std::int64_t x = 0; x < shape.w; ++x) {
      const std::int64_t v = y - (draw.cutout_y - config.cutout / 2);
      const std::int64_t u = x - (draw.cutout_x - config.cutout / 2);
      const bool cut = v >= 0 && v < config.cutout && u >= 0 && u < config.cutout;
      for (std::int64_t c = 0; c < shape.c; ++c) {
        out.push_back(cut ? 0
                          : pixel(y + draw.crop_y - config.pad, x + draw.crop_x - config.pad, c));
      }
    }
  }
  return out;
}

TEST(AugmentTest, AgreesWithThePlainVersion) {
  const ImageShape shapes[] = {{28, 28, 1}, {5, 7, 3}, {3, 1, 2}, {1, 1, 1}};
  for (const ImageShape& shape : shapes) {
    const int room = static_cast<int>(std::min(shape.h, shape.w));
    for (const int pad : {0, 1, room}) {
      for (const bool flip : {false, true}) {
        for (const int cutout : {0, 1, 4, 100}) {
          const AugmentConfig config{Stats(shape.c), pad, flip, cutout};
          const Augment augment(config, shape, 11);
          for (std::int64_t image = 0; image < 12; ++image) {
            const Bytes bytes = RandomImage(shape, static_cast<std::uint32_t>(image));
            // What a wrong version leaves unwritten shows as NaN.
            std::vector<float> out(bytes.size(), std::numeric_limits<float>::quiet_NaN());
            augment.Apply(bytes, 3, image, out);
            const auto expected = Plain(bytes, shape, config, augment.Draw(3, image));
            for (std::size_t i = 0; i < out.size(); ++i) {
              ASSERT_EQ(out[i], static_cast<float>(expected[i])) << ToString(shape) << " at " << i;
            }
          }
        }
      }
    }
  }
}

TEST(AugmentTest, IsAFunctionOfSeedEpochAndImage) {
  const ImageShape shape{16, 16, 1};
  const AugmentConfig config{Stats(1), 4, true, 6};
  const Augment augment(config, shape, 1), again(config, shape, 1), other(config, shape, 2);
  const Bytes bytes = RandomImage(shape, 0);
  auto apply = [&](const Augment& by, std::int64_t epoch, std::int64_t image) {
    std::vector<float> out(bytes.size());
    by.Apply(bytes, epoch, image, out);
    return out;
  };
  const auto later = apply(augment, 2, 9);
  EXPECT_NE(apply(augment, 2, 8), later);
  EXPECT_NE(apply(augment, 1, 9), later);
  EXPECT_NE(apply(other, 2, 9), later);
  EXPECT_EQ(apply(again, 2, 9), later);
}

TEST(AugmentTest, SwitchingOneChoiceOnKeepsTheOthers) {
  const ImageShape shape{16, 16, 1};
  const Augment crop({Stats(1), 4, false, 0}, shape, 1), all({Stats(1), 4, true, 6}, shape, 1);
  for (std::int64_t image = 0; image < 50; ++image) {
    EXPECT_EQ(crop.Draw(0, image).crop_y, all.Draw(0, image).crop_y);
    EXPECT_EQ(crop.Draw(0, image).crop_x, all.Draw(0, image).crop_x);
  }
}

TEST(AugmentTest, ChoicesAreUniform) {
  const Augment augment({Stats(1), 2, true, 3}, {8, 10, 1}, 1);
  std::map<std::int64_t, int> crop_y, crop_x, cutout_y, cutout_x;
  int flips = 0;
  const int draws = 4000;
  for (int i = 0; i < draws; ++i) {
    const AugmentDraw draw = augment.Draw(i / 100, i);
    ++crop_y[draw.crop_y];
    ++crop_x[draw.crop_x];
    ++cutout_y[draw.cutout_y];
    ++cutout_x[draw.cutout_x];
    flips += draw.flip ? 1 : 0;
  }
  // Five standard deviations of a binomial count.
  auto expect_uniform = [&](const std::map<std::int64_t, int>& counts, int values) {
    EXPECT_EQ(counts.size(), static_cast<std::size_t>(values));
    EXPECT_EQ(counts.begin()->first, 0);
    EXPECT_EQ(counts.rbegin()->first, values - 1);
    const double p = 1.0 / values;
    for (const auto& [value, count] : counts) {
      EXPECT_NEAR(count, draws * p, 5 * std::sqrt(draws * p * (1 - p))) << value;
    }
  };
  expect_uniform(crop_y, 5);
  expect_uniform(crop_x, 5);
  expect_uniform(cutout_y, 8);
  expect_uniform(cutout_x, 10);
  EXPECT_NEAR(flips, draws * 0.5, 5 * std::sqrt(draws * 0.25));
}

TEST(AugmentTest, ChoicesAreWhereTheyHaveAlwaysBeenInTheStream) {
  const ImageShape shape{16, 16, 3};
  AugmentConfig config{Stats(3), 4, true, 6};
  config.resized_crop = ResizedCropConfig{};
  config.colors = {.brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1};
  const Augment plain({Stats(3), 4, true, 6}, shape, 1), all(config, shape, 1);
  const Rng rng(1, RngPurpose::kAugment);
  for (std::int64_t image = 0; image < 50; ++image) {
    const auto first = rng.Bits(3, 2 * static_cast<std::uint64_t>(image));
    const auto second = rng.Bits(3, 2 * static_cast<std::uint64_t>(image) + 1);
    for (const Augment* augment : {&plain, &all}) {
      const AugmentDraw draw = augment->Draw(3, image);
      EXPECT_EQ(draw.crop_y, static_cast<std::int64_t>(first[0] * std::uint64_t{9} >> 32));
      EXPECT_EQ(draw.crop_x, static_cast<std::int64_t>(first[1] * std::uint64_t{9} >> 32));
      EXPECT_EQ(draw.flip, first[2] >= 0x80000000u);
      EXPECT_EQ(draw.cutout_y, static_cast<std::int64_t>(second[0] * std::uint64_t{16} >> 32));
      EXPECT_EQ(draw.cutout_x, static_cast<std::int64_t>(second[1] * std::uint64_t{16} >> 32));
    }
  }
}

TEST(AugmentTest, RemadePixelsAreNormalisedShiftedAndCut) {
  const ImageShape shape{9, 7, 3};
  for (const bool resized : {false, true}) {
    AugmentConfig config{Stats(3), 7, true, 3};
    if (resized) config.resized_crop = ResizedCropConfig{};
    config.colors = {.brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1};
    const Augment augment(config, shape, 1);
    for (std::int64_t image = 0; image < 60; ++image) {
      const Bytes bytes = RandomImage(shape, static_cast<std::uint32_t>(image));
      const AugmentDraw draw = augment.Draw(0, image);
      std::vector<float> remade(bytes.size());
      EnlargeWindow(bytes, shape, draw.window, draw.flip, remade);
      ChangeColors(draw.colors, 3, remade);
      std::vector<float> out(bytes.size(), std::numeric_limits<float>::quiet_NaN());
      augment.Apply(bytes, 0, image, out);
      for (std::int64_t i = 0; i < shape.elements(); ++i) {
        const std::int64_t y = i / 3 / shape.w, x = i / 3 % shape.w;
        const std::int64_t from_y = y + draw.crop_y - 7, from_x = x + draw.crop_x - 7;
        const bool outside = from_y < 0 || from_y >= shape.h || from_x < 0 || from_x >= shape.w;
        const bool cut = std::abs(y - draw.cutout_y) <= 1 && std::abs(x - draw.cutout_x) <= 1;
        double expected = 0;
        if (!outside && !cut) {
          const auto k = static_cast<std::size_t>(i % 3);
          const auto from = static_cast<std::size_t>((from_y * shape.w + from_x) * 3 + i % 3);
          expected = (double{remade[from]} - config.stats.mean[k]) / config.stats.std[k];
        }
        // A difference of numbers up to 1, a reciprocal and a product; no deviation is below 0.2.
        ASSERT_NEAR(out[static_cast<std::size_t>(i)], expected, 3 * 5 * 0x1p-24);
      }
    }
  }
}

TEST(AugmentTest, EvaluationOnlyNormalises) {
  const ImageShape shape{4, 4, 1};
  AugmentConfig config{Stats(1), 2, true, 2};
  config.resized_crop = ResizedCropConfig{};
  config.colors.brightness = 1;
  const Augment augment(WithoutAugmentation(config), shape, 1);
  const Bytes bytes = RandomImage(shape, 0);
  std::vector<float> first(16), second(16);
  augment.Apply(bytes, 0, 0, first);
  augment.Apply(bytes, 5, 77, second);
  EXPECT_EQ(first, second);
  EXPECT_EQ(first[3], static_cast<float>((bytes[3] / 255.0 - 0.3f) / 0.2f));
}

TEST(AugmentTest, RefusesWhatDoesNotFit) {
  const ImageShape shape{4, 6, 3};
  ExpectError(ErrorCode::kInvalidArgument, {"3 channels", "1 means"}, [&] {
    Augment({Stats(1), 0, false, 0}, shape, 1);
  });
  ExpectError(ErrorCode::kInvalidArgument, {"pad 5", "4x6x3"}, [&] {
    Augment({Stats(3), 5, false, 0}, shape, 1);
  });
  ExpectError(ErrorCode::kInvalidArgument, {"cutout -1"}, [&] {
    Augment({Stats(3), 0, false, -1}, shape, 1);
  });
  AugmentConfig flat{Stats(3), 0, false, 0};
  flat.stats.std[2] = 0;
  ExpectError(ErrorCode::kInvalidArgument, {"standard deviation 0 of channel 2"},
              [&] { Augment(flat, shape, 1); });
  const Augment augment({Stats(3), 0, false, 0}, shape, 1);
  std::vector<float> out(72);
  ExpectError(ErrorCode::kInvalidArgument, {"71 bytes", "72"},
              [&] { augment.Apply(Bytes(71), 0, 0, out); });
}

}  // namespace
}  // namespace nasengine
