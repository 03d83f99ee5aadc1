// Each change of colours against its textbook form in double, and the distribution of the choices.
// SPDX-License-Identifier: MIT
#include "data/color_jitter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include "tests/data/idx_files.h"

namespace nasengine {
namespace {

const Rng kRng(5, RngPurpose::kAugment);
constexpr double kRounding = 0x1p-24;  // of a number up to 1 in f32
constexpr ColorJitterConfig kStrong{
    .brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1};

std::vector<float> RandomPixels(std::size_t count, std::uint32_t seed) {
  std::vector<float> pixels(count);
  const Rng rng(seed, RngPurpose::kTest);
  // Every ninth value is an end of the range, so that equal channels and greys occur.
  for (std::size_t i = 0; i < count; ++i) {
    pixels[i] = i % 9 == 0 ? static_cast<float>(i % 2) : rng.Uniform(0, i);
  }
  return pixels;
}

double Mixed(double with, double value, double factor) {
  return std::clamp(factor * value + (1 - factor) * with, 0.0, 1.0);
}

double PlainGrey(const double* rgb) { return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]; }

// By way of hue in degrees, saturation and value, with the six cases written out.
void PlainHue(double turns, double* rgb) {
  const double value = std::max({rgb[0], rgb[1], rgb[2]});
  const double chroma = value - std::min({rgb[0], rgb[1], rgb[2]});
  if (chroma == 0) return;
  double degrees = 0;
  if (value == rgb[0]) {
    degrees = 60 * (rgb[1] - rgb[2]) / chroma;
  } else if (value == rgb[1]) {
    degrees = 60 * (rgb[2] - rgb[0]) / chroma + 120;
  } else {
    degrees = 60 * (rgb[0] - rgb[1]) / chroma + 240;
  }
  degrees = std::fmod(degrees + 360 * turns + 720, 360);
  const double x = chroma * (1 - std::abs(std::fmod(degrees / 60, 2) - 1));
  const double low = value - chroma;
  const double cases[6][3] = {{chroma, x, 0}, {x, chroma, 0}, {0, chroma, x},
                              {0, x, chroma}, {x, 0, chroma}, {chroma, 0, x}};
  for (int k = 0; k < 3; ++k) rgb[k] = low + cases[static_cast<int>(degrees / 60) % 6][k];
}

std::vector<double> Plain(const ColorDraw& draw, std::size_t channels,
                          const std::vector<float>& pixels) {
  std::vector<double> out(pixels.begin(), pixels.end());
  for (const ColorChange change : draw.order) {
    double mean = 0;
    for (std::size_t i = 0; i < out.size(); i += channels) {
      mean += channels == 3 ? PlainGrey(&out[i]) : out[i];
    }
    mean /= static_cast<double>(out.size() / channels);
    for (std::size_t i = 0; i < out.size(); i += channels) {
      const double grey = channels == 3 ? PlainGrey(&out[i]) : out[i];
      for (std::size_t k = i; k < i + channels; ++k) {
        if (change == ColorChange::kBrightness) out[k] = Mixed(0, out[k], draw.brightness);
        if (change == ColorChange::kContrast) out[k] = Mixed(mean, out[k], draw.contrast);
        if (change == ColorChange::kSaturation) out[k] = Mixed(grey, out[k], draw.saturation);
      }
      if (change == ColorChange::kHue && channels == 3) PlainHue(draw.hue, &out[i]);
    }
  }
  return out;
}

void ExpectPlain(const ColorDraw& draw, std::size_t channels, double tolerance) {
  const std::vector<float> pixels = RandomPixels(60 * channels, 1);
  std::vector<float> out = pixels;
  ChangeColors(draw, static_cast<std::int64_t>(channels), out);
  const std::vector<double> expected = Plain(draw, channels, pixels);
  for (std::size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], expected[i], tolerance) << i;
}

TEST(ColorJitterTest, EveryChangeAgreesWithThePlainVersion) {
  for (const std::size_t channels : {std::size_t{1}, std::size_t{3}}) {
    for (const float factor : {0.0f, 0.6f, 1.0f, 1.4f}) {
      // The grey takes five roundings and counts |1 - factor| times; three more of up to 1.4.
      ExpectPlain({.brightness = factor}, channels, 10 * kRounding);
      ExpectPlain({.contrast = factor}, channels, 10 * kRounding);
      ExpectPlain({.saturation = factor}, channels, 10 * kRounding);
    }
    for (const float turn : {-0.5f, -0.1f, 0.0f, 0.07f, 0.3f, 0.5f}) {
      // Sixths reach 18, so that each of their five roundings is up to 16 of those of 1.
      ExpectPlain({.hue = turn}, channels, 5 * 16 * kRounding);
    }
  }
}

TEST(ColorJitterTest, ChangesFollowEachOtherInTheDrawnOrder) {
  for (std::int64_t image = 0; image < 100; ++image) {
    // Each change at most doubles what the ones before were off and adds what the test above says.
    const ColorDraw draw = DrawColors(kStrong, kRng, 0, image);
    ExpectPlain(draw, 3, 16 * (80 + 3 * 10) * kRounding);
    ExpectPlain(draw, 1, 16 * 3 * 10 * kRounding);
  }
}

TEST(ColorJitterTest, TurnsPrimaryColoursIntoEachOther) {
  std::vector<float> red = {1, 0, 0};
  ChangeColors({.hue = 1.0f / 3}, 3, red);
  EXPECT_NEAR(red[0], 0, 80 * kRounding);
  EXPECT_NEAR(red[1], 1, 80 * kRounding);
  std::vector<float> blue = {0.2f, 0.2f, 0.8f};
  ChangeColors({.hue = 0.5f}, 3, blue);
  EXPECT_NEAR(blue[0], 0.8, 80 * kRounding);
  EXPECT_NEAR(blue[1], 0.8, 80 * kRounding);
  EXPECT_NEAR(blue[2], 0.2, 80 * kRounding);
  std::vector<float> grey = {0.5f, 0.5f, 0.5f};
  ChangeColors({.hue = 0.2f}, 3, grey);
  EXPECT_EQ(grey, (std::vector<float>{0.5f, 0.5f, 0.5f}));
}

TEST(ColorJitterTest, SwitchingOneChangeOnShiftsNoOther) {
  for (std::int64_t image = 0; image < 50; ++image) {
    const ColorDraw all = DrawColors(kStrong, kRng, 2, image);
    const ColorDraw some = DrawColors({.saturation = 0.4}, kRng, 2, image);
    EXPECT_EQ(some.saturation, all.saturation);
    EXPECT_EQ(some.order, all.order);
    EXPECT_EQ(some.brightness, 1);
    EXPECT_EQ(some.contrast, 1);
    EXPECT_EQ(some.hue, 0);
  }
}

TEST(ColorJitterTest, ChoicesAreUniform) {
  const int draws = 4800;
  std::map<std::array<ColorChange, 4>, int> orders;
  double sum = 0, hue_sum = 0;
  float low = 2, high = 0;
  for (int i = 0; i < draws; ++i) {
    const ColorDraw draw = DrawColors(kStrong, kRng, i / 100, i);
    ++orders[draw.order];
    sum += draw.contrast;
    hue_sum += draw.hue;
    low = std::min(low, draw.brightness);
    high = std::max(high, draw.brightness);
  }
  EXPECT_EQ(orders.size(), 24u);
  // Five standard deviations of a binomial count, and of sums of uniform numbers.
  for (const auto& [order, count] : orders) {
    EXPECT_NEAR(count, draws / 24.0, 5 * std::sqrt(draws / 24.0 * 23 / 24));
  }
  EXPECT_NEAR(sum / draws, 1, 5 * 0.8 / std::sqrt(12.0 * draws));
  EXPECT_NEAR(hue_sum / draws, 0, 5 * 0.2 / std::sqrt(12.0 * draws));
  EXPECT_NEAR(low, 0.6, 0.01);
  EXPECT_NEAR(high, 1.4, 0.01);
  EXPECT_GE(DrawColors({.brightness = 3}, kRng, 0, 0).brightness, 0);
}

TEST(ColorJitterTest, RefusesWhatDoesNotFit) {
  ExpectError(ErrorCode::kInvalidArgument, {"2 channels"}, [] { CheckColorJitter(kStrong, 2); });
  CheckColorJitter({}, 2);
  ExpectError(ErrorCode::kInvalidArgument, {"found -1"},
              [] { CheckColorJitter({.contrast = -1}, 3); });
  ExpectError(ErrorCode::kInvalidArgument, {"hue 0.6"}, [] { CheckColorJitter({.hue = 0.6}, 3); });
}

}  // namespace
}  // namespace nasengine
