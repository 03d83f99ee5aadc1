// SPDX-License-Identifier: MIT
#include "data/color_jitter.h"

#include <algorithm>
#include <utility>

#include "data/random_word.h"
#include "kernels/core/error.h"

namespace nasengine {
namespace {

// Elements of the random stream, far from those of the other choices; two for every image.
constexpr std::uint64_t kFirstElement = std::uint64_t{2} << 40;

float Clamped(float value) { return std::clamp(value, 0.0f, 1.0f); }

float GreyOf(const float* rgb) { return 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2]; }

void ScaleTowards(float grey, float factor, std::span<float> values) {
  for (float& value : values) value = Clamped(grey + factor * (value - grey));
}

float MeanGrey(std::int64_t channels, std::span<const float> pixels) {
  double sum = 0;
  const auto step = static_cast<std::size_t>(channels);
  const std::size_t count = pixels.size() / step;
  for (std::size_t i = 0; i < pixels.size(); i += step) {
    sum += step == 3 ? GreyOf(&pixels[i]) : pixels[i];
  }
  return static_cast<float>(sum / static_cast<double>(count));
}

// In turns of a sixth of the circle, from red over green to blue; 0 for greys.
float Sixths(const float* rgb, float largest, float chroma) {
  if (chroma == 0) return 0;
  if (largest == rgb[0]) return (rgb[1] - rgb[2]) / chroma;
  if (largest == rgb[1]) return (rgb[2] - rgb[0]) / chroma + 2;
  return (rgb[0] - rgb[1]) / chroma + 4;
}

// Keeps the largest and the smallest of the three channels and turns what lies between.
void TurnHue(float turns, float* rgb) {
  const float largest = std::max({rgb[0], rgb[1], rgb[2]});
  const float chroma = largest - std::min({rgb[0], rgb[1], rgb[2]});
  // Above 0: from -1 on, half a circle (3) less at most, and a whole one more.
  const float sixths = Sixths(rgb, largest, chroma) + 6 * turns + 6;
  const float offsets[] = {5, 3, 1};
  for (int k = 0; k < 3; ++k) {
    float along = offsets[k] + sixths;
    // Modulo 6; a rounding that ends just below 0 or at 6 gives the same colour.
    along -= 6 * static_cast<float>(static_cast<int>(along / 6));
    rgb[k] = largest - chroma * Clamped(std::min(along, 4 - along));
  }
}

float Factor(std::uint32_t word, double value) {
  return static_cast<float>(EvenlyBetween(word, std::max(0.0, 1 - value), 1 + value));
}

}  // namespace

void CheckColorJitter(const ColorJitterConfig& config, std::int64_t channels) {
  for (const double value : {config.brightness, config.contrast, config.saturation, config.hue}) {
    NAS_CHECK(value >= 0, "color jitter: found ", value, ", expected 0 or more");
  }
  NAS_CHECK(config.hue <= 0.5, "color jitter: hue ", config.hue,
            ", expected at most 0.5, half a turn");
  NAS_CHECK(!config.any() || channels == 1 || channels == 3, "color jitter: images have ", channels,
            " channels, expected 1 or 3");
}

ColorDraw DrawColors(const ColorJitterConfig& config, const Rng& rng, std::int64_t epoch,
                     std::int64_t image) {
  const auto step = static_cast<std::uint64_t>(epoch);
  const std::uint64_t element = kFirstElement + 2 * static_cast<std::uint64_t>(image);
  const auto values = rng.Bits(step, element);
  ColorDraw draw{.brightness = Factor(values[0], config.brightness),
                 .contrast = Factor(values[1], config.contrast),
                 .saturation = Factor(values[2], config.saturation),
                 .hue = static_cast<float>(EvenlyBetween(values[3], -config.hue, config.hue))};
  const auto order = rng.Bits(step, element + 1);
  for (std::size_t i = draw.order.size() - 1; i > 0; --i) {
    const std::int64_t j = EvenlyBelow(order[i], static_cast<std::int64_t>(i) + 1);
    std::swap(draw.order[i], draw.order[static_cast<std::size_t>(j)]);
  }
  return draw;
}

void ChangeColors(const ColorDraw& draw, std::int64_t channels, std::span<float> pixels) {
  for (const ColorChange change : draw.order) {
    switch (change) {
      case ColorChange::kBrightness:
        if (draw.brightness != 1) ScaleTowards(0, draw.brightness, pixels);
        break;
      case ColorChange::kContrast:
        if (draw.contrast != 1) ScaleTowards(MeanGrey(channels, pixels), draw.contrast, pixels);
        break;
      case ColorChange::kSaturation:
        if (draw.saturation == 1 || channels != 3) break;
        for (std::size_t i = 0; i < pixels.size(); i += 3) {
          ScaleTowards(GreyOf(&pixels[i]), draw.saturation, pixels.subspan(i, 3));
        }
        break;
      case ColorChange::kHue:
        if (draw.hue == 0 || channels != 3) break;
        for (std::size_t i = 0; i < pixels.size(); i += 3) TurnHue(draw.hue, &pixels[i]);
        break;
    }
  }
}

}  // namespace nasengine
