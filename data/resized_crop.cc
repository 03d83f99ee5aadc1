// SPDX-License-Identifier: MIT
#include "data/resized_crop.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "data/random_word.h"
#include "kernels/core/error.h"

namespace nasengine {
namespace {

constexpr int kTries = 10;
// Elements of the random stream, far from those of the other choices; 16 for every image.
constexpr std::uint64_t kFirstElement = std::uint64_t{1} << 40;
constexpr std::uint64_t kElementsAnImage = 16;

CropWindow CentreWindow(const ResizedCropConfig& config, const ImageShape& shape) {
  const auto h = static_cast<double>(shape.h);
  const auto w = static_cast<double>(shape.w);
  CropWindow window{.h = shape.h, .w = shape.w};
  if (w / h < config.min_ratio) {
    window.h = std::max<std::int64_t>(1, std::llround(w / config.min_ratio));
  } else if (w / h > config.max_ratio) {
    window.w = std::max<std::int64_t>(1, std::llround(h * config.max_ratio));
  }
  window.y = (shape.h - window.h) / 2;
  window.x = (shape.w - window.w) / 2;
  return window;
}

// Where an output pixel reads along one side: (1 - weight) * pixel[low] + weight * pixel[high].
struct Tap {
  std::int64_t low = 0;
  std::int64_t high = 0;
  float weight = 0;
};

// Of `size` outputs over the pixels [begin, begin + length).
std::vector<Tap> Taps(std::int64_t size, std::int64_t begin, std::int64_t length) {
  std::vector<Tap> taps(static_cast<std::size_t>(size));
  const double step = static_cast<double>(length) / static_cast<double>(size);
  for (std::int64_t i = 0; i < size; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * step - 0.5;
    const double at = std::clamp(centre, 0.0, static_cast<double>(length - 1));
    const auto low = static_cast<std::int64_t>(at);
    taps[static_cast<std::size_t>(i)] = {.low = begin + low,
                                         .high = begin + std::min(low + 1, length - 1),
                                         .weight = static_cast<float>(at - std::floor(at))};
  }
  return taps;
}

// Rows of the image interpolated along x, each computed once while the outputs pass over it.
class WideRows {
 public:
  WideRows(std::span<const std::uint8_t> hwc, const ImageShape& shape, std::vector<Tap> taps)
      : hwc_(hwc), shape_(shape), taps_(std::move(taps)) {
    for (Row& row : rows_) row.values.resize(static_cast<std::size_t>(shape.w * shape.c));
  }

  // Valid until the next call with a row that is neither this one nor the one asked for before.
  const float* Get(std::int64_t y) {
    for (const Row& row : rows_) {
      if (row.y == y) return row.values.data();
    }
    std::swap(rows_[0], rows_[1]);
    Fill(rows_[1], y);
    return rows_[1].values.data();
  }

 private:
  struct Row {
    std::int64_t y = -1;
    std::vector<float> values;
  };

  void Fill(Row& row, std::int64_t y) const {
    constexpr float kScale = 1.0f / 255.0f;
    const std::uint8_t* from = hwc_.data() + y * shape_.w * shape_.c;
    float* to = row.values.data();
    row.y = y;
    for (const Tap& tap : taps_) {
      const float high = tap.weight * kScale;
      const float low = kScale - high;
      for (std::int64_t k = 0; k < shape_.c; ++k) {
        *to++ = low * from[tap.low * shape_.c + k] + high * from[tap.high * shape_.c + k];
      }
    }
  }

  std::span<const std::uint8_t> hwc_;
  ImageShape shape_;
  std::vector<Tap> taps_;
  std::array<Row, 2> rows_;
};

}  // namespace

void CheckResizedCrop(const ResizedCropConfig& config) {
  NAS_CHECK(config.min_area > 0 && config.min_area <= config.max_area && config.max_area <= 1,
            "resized crop: areas ", config.min_area, " to ", config.max_area,
            ", expected shares above 0 and up to 1, the smaller first");
  NAS_CHECK(config.min_ratio > 0 && config.min_ratio <= config.max_ratio, "resized crop: ratios ",
            config.min_ratio, " to ", config.max_ratio,
            ", expected numbers above 0, the smaller first");
}

CropWindow DrawCropWindow(const ResizedCropConfig& config, const ImageShape& shape, const Rng& rng,
                          std::int64_t epoch, std::int64_t image) {
  const auto area = static_cast<double>(shape.h * shape.w);
  const std::uint64_t first = kFirstElement + kElementsAnImage * static_cast<std::uint64_t>(image);
  for (std::uint64_t i = 0; i < kTries; ++i) {
    const auto words = rng.Bits(static_cast<std::uint64_t>(epoch), first + i);
    const double wanted = area * EvenlyBetween(words[0], config.min_area, config.max_area);
    const double ratio =
        std::exp(EvenlyBetween(words[1], std::log(config.min_ratio), std::log(config.max_ratio)));
    const std::int64_t w = std::llround(std::sqrt(wanted * ratio));
    const std::int64_t h = std::llround(std::sqrt(wanted / ratio));
    if (w < 1 || h < 1 || w > shape.w || h > shape.h) continue;
    return {.y = EvenlyBelow(words[2], shape.h - h + 1),
            .x = EvenlyBelow(words[3], shape.w - w + 1),
            .h = h,
            .w = w};
  }
  return CentreWindow(config, shape);
}

void EnlargeWindow(std::span<const std::uint8_t> hwc, const ImageShape& shape,
                   const CropWindow& window, bool flip, std::span<float> out) {
  std::vector<Tap> across = Taps(shape.w, window.x, window.w);
  if (flip) std::reverse(across.begin(), across.end());
  WideRows rows(hwc, shape, std::move(across));
  const std::int64_t row = shape.w * shape.c;
  float* to = out.data();
  for (const Tap& tap : Taps(shape.h, window.y, window.h)) {
    const float* low = rows.Get(tap.low);
    const float* high = rows.Get(tap.high);
    const float weight = tap.weight;
    for (std::int64_t i = 0; i < row; ++i) to[i] = low[i] + weight * (high[i] - low[i]);
    to += row;
  }
}

}  // namespace nasengine
