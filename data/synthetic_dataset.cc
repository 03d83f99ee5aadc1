// SPDX-License-Identifier: MIT
#include "data/synthetic_dataset.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

// Marks the steps of the stream that describe classes; the others are images.
constexpr std::uint64_t kClassStep = std::uint64_t{1} << 63;
constexpr int kPatterns = 2;

constexpr double kGrey = 128;
constexpr double kAmplitude = 40;   // of a pattern
constexpr double kBrightness = 24;  // of a class, either way
constexpr int kNoise = 40;          // of a pixel, either way

double Between(double low, double high, float uniform) { return low + (high - low) * uniform; }

// sin(2 pi cycles (i + 1/2) / n + phase) for i in [0, n).
std::vector<float> Wave(std::int64_t n, double cycles, double phase) {
  std::vector<float> wave(static_cast<std::size_t>(n));
  const double step = 2 * std::numbers::pi * cycles / static_cast<double>(n);
  for (std::size_t i = 0; i < wave.size(); ++i) {
    wave[i] = static_cast<float>(std::sin(step * (static_cast<double>(i) + 0.5) + phase));
  }
  return wave;
}

// Cycles across `n` pixels: between 1 and 6, but never fewer than four pixels a cycle.
double Cycles(std::int64_t n, float uniform) {
  return Between(1, std::max(1.0, std::min(6.0, static_cast<double>(n) / 4)), uniform);
}

struct Pattern {
  std::vector<float> rows;
  std::vector<float> columns;
  std::vector<float> weights;  // one a channel, in grey levels
};

// What image `image` shows before noise: its class's patterns with phases and contrast of its own.
std::array<Pattern, kPatterns> Patterns(const Rng& rng, const ImageShape& shape, std::uint64_t step,
                                        std::uint64_t image) {
  std::array<Pattern, kPatterns> patterns;
  constexpr float kWord = 1.0f / 4294967296.0f;
  const auto own = rng.Bits(image, 0);
  const double contrast = Between(0.7, 1.1, static_cast<float>(own[2]) * kWord);
  const double shift_y = Between(-0.6, 0.6, static_cast<float>(own[0]) * kWord);
  const double shift_x = Between(-0.6, 0.6, static_cast<float>(own[1]) * kWord);
  std::uint64_t element = 0;
  auto draw = [&] { return rng.Uniform(step, element++); };
  for (Pattern& pattern : patterns) {
    const double cycles_y = Cycles(shape.h, draw());
    const double cycles_x = Cycles(shape.w, draw());
    const double phase_y = Between(0, 2 * std::numbers::pi, draw());
    const double phase_x = Between(0, 2 * std::numbers::pi, draw());
    pattern.rows = Wave(shape.h, cycles_y, phase_y + shift_y);
    pattern.columns = Wave(shape.w, cycles_x, phase_x + shift_x);
    for (std::int64_t c = 0; c < shape.c; ++c) {
      // Never near zero, so that no class is without its pattern in a channel.
      const double u = Between(-1, 1, draw());
      const double weight = (u < 0 ? -0.5 : 0.5) + u / 2;
      pattern.weights.push_back(static_cast<float>(contrast * kAmplitude * weight));
    }
  }
  return patterns;
}

std::vector<float> Brightness(const Rng& rng, const ImageShape& shape, std::uint64_t step) {
  std::vector<float> brightness;
  const auto first = static_cast<std::uint64_t>(kPatterns * (4 + shape.c));
  for (std::int64_t c = 0; c < shape.c; ++c) {
    const float uniform = rng.Uniform(step, first + static_cast<std::uint64_t>(c));
    brightness.push_back(static_cast<float>(kGrey + Between(-kBrightness, kBrightness, uniform)));
  }
  return brightness;
}

// Adds noise in -kNoise .. kNoise and rounds; four bytes of noise a random word.
void AddNoise(const Rng& rng, std::uint64_t image, std::span<const float> clean,
              std::span<std::uint8_t> out) {
  constexpr std::size_t kBlock = 16;
  for (std::size_t begin = 0; begin < out.size(); begin += kBlock) {
    const auto words = rng.Bits(image, 1 + begin / kBlock);
    const std::size_t end = std::min(out.size(), begin + kBlock);
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint32_t byte = words[(i - begin) / 4] >> (8 * (i % 4)) & 0xff;
      const int noise = static_cast<int>(byte * (2 * kNoise + 1) >> 8) - kNoise;
      const float value = clean[i] + static_cast<float>(noise) + 0.5f;
      out[i] = static_cast<std::uint8_t>(std::clamp(value, 0.0f, 255.0f));
    }
  }
}

}  // namespace

SyntheticDataset::SyntheticDataset(SyntheticConfig config)
    : config_(std::move(config)), rng_(config_.seed, RngPurpose::kSynthetic) {
  const ImageShape& shape = config_.shape;
  NAS_CHECK(shape.h > 0 && shape.w > 0 && shape.c > 0, config_.name, ": image size ",
            ToString(shape), ", expected positive sizes");
  NAS_CHECK(config_.classes > 0, config_.name, ": ", config_.classes, " classes");
  NAS_CHECK(config_.count > 0 && config_.first_index >= 0, config_.name, ": ", config_.count,
            " images from index ", config_.first_index);
}

std::int32_t SyntheticDataset::label(std::int64_t index) const {
  CheckIndex(index);
  return static_cast<std::int32_t>((config_.first_index + index) % config_.classes);
}

void SyntheticDataset::ReadImage(std::int64_t index, std::span<std::uint8_t> hwc) const {
  CheckRead(index, hwc);
  const ImageShape& shape = config_.shape;
  const auto image = static_cast<std::uint64_t>(config_.first_index + index);
  const std::uint64_t step = kClassStep | static_cast<std::uint64_t>(label(index));
  const auto patterns = Patterns(rng_, shape, step, image);
  const std::vector<float> brightness = Brightness(rng_, shape, step);
  std::vector<float> clean(hwc.size());
  const auto h = static_cast<std::size_t>(shape.h), w = static_cast<std::size_t>(shape.w),
             channels = static_cast<std::size_t>(shape.c);
  float* pixel = clean.data();
  for (std::size_t y = 0; y < h; ++y) {
    for (std::size_t x = 0; x < w; ++x) {
      const float first = patterns[0].rows[y] * patterns[0].columns[x];
      const float second = patterns[1].rows[y] * patterns[1].columns[x];
      for (std::size_t c = 0; c < channels; ++c) {
        *pixel++ = brightness[c] + first * patterns[0].weights[c] + second * patterns[1].weights[c];
      }
    }
  }
  AddNoise(rng_, image, clean, hwc);
}

DotPairDataset::DotPairDataset(const DotPairConfig& config)
    : config_(config), name_("dot pairs"), rng_(config.seed, RngPurpose::kSynthetic) {
  NAS_CHECK(config.side >= kDotPairMinSide, name_, ": side ", config.side, ", expected at least ",
            kDotPairMinSide);
  NAS_CHECK(config.count > 0 && config.first_index >= 0, name_, ": ", config.count,
            " images from index ", config.first_index);
}

std::int32_t DotPairDataset::label(std::int64_t index) const {
  CheckIndex(index);
  return static_cast<std::int32_t>((config_.first_index + index) % 2);
}

void DotPairDataset::ReadImage(std::int64_t index, std::span<std::uint8_t> hwc) const {
  CheckRead(index, hwc);
  const auto words = rng_.Bits(static_cast<std::uint64_t>(config_.first_index + index), 0);
  auto below = [&words](std::size_t word, std::int64_t bound) {
    return static_cast<std::int64_t>(
        std::uint64_t{words[word]} * static_cast<std::uint64_t>(bound) >> 32);
  };
  const auto other = below(0, static_cast<std::int64_t>(kOtherDotPairDistances.size()));
  const std::int64_t distance = label(index) == 1
                                    ? kDotPairDistance
                                    : kOtherDotPairDistances[static_cast<std::size_t>(other)];
  const std::int64_t room = config_.side - 2 * kDotPairMargin;
  const std::int64_t along = kDotPairMargin + below(2, room - distance);
  const std::int64_t across = kDotPairMargin + below(3, room);
  const bool in_a_row = (words[1] >> 31) != 0;
  std::fill(hwc.begin(), hwc.end(), std::uint8_t{0});
  for (const std::int64_t position : {along, along + distance}) {
    const std::int64_t y = in_a_row ? across : position;
    const std::int64_t x = in_a_row ? position : across;
    hwc[static_cast<std::size_t>(y * config_.side + x)] = 255;
  }
}

}  // namespace nasengine
