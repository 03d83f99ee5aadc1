// Random changes of an image's colours: brightness, contrast, saturation and hue, in an order drawn
// for every image, as the published training has them.
//
// Pixels are in [0, 1] before and after each change. Grey is 0.299 red + 0.587 green + 0.114 blue.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "kernels/core/rng.h"

namespace nasengine {

// How far each change may go; 0 switches it off.
struct ColorJitterConfig {
  // A factor in [max(0, 1 - value), 1 + value): of black, of the image's mean grey and of each
  // pixel's grey the rest is mixed in.
  double brightness = 0;
  double contrast = 0;
  double saturation = 0;
  // A turn of the colour circle in [-value, value), at most half of one.
  double hue = 0;
  bool any() const { return brightness > 0 || contrast > 0 || saturation > 0 || hue > 0; }
};
// Throws kInvalidArgument for a value below 0, a hue above 0.5, and for images that have neither
// one channel (then saturation and hue change nothing) nor three.
void CheckColorJitter(const ColorJitterConfig& config, std::int64_t channels);

enum class ColorChange { kBrightness, kContrast, kSaturation, kHue };

// The random choices for one image; factors of 1 and a turn of 0 change nothing.
struct ColorDraw {
  float brightness = 1;
  float contrast = 1;
  float saturation = 1;
  float hue = 0;
  std::array<ColorChange, 4> order = {ColorChange::kBrightness, ColorChange::kContrast,
                                      ColorChange::kSaturation, ColorChange::kHue};
};

// A pure function of (rng, epoch, image); switching one change on shifts no other.
ColorDraw DrawColors(const ColorJitterConfig& config, const Rng& rng, std::int64_t epoch,
                     std::int64_t image);

// Changes `pixels`, one or three `channels` each, in place.
void ChangeColors(const ColorDraw& draw, std::int64_t channels, std::span<float> pixels);

}  // namespace nasengine
