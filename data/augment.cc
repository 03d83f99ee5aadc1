// SPDX-License-Identifier: MIT
#include "data/augment.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "data/random_word.h"
#include "kernels/core/error.h"

namespace nasengine {

AugmentConfig WithoutAugmentation(AugmentConfig config) {
  return {.stats = std::move(config.stats)};
}

Augment::Augment(AugmentConfig config, const ImageShape& shape, std::uint32_t seed)
    : config_(std::move(config)), shape_(shape), rng_(seed, RngPurpose::kAugment) {
  const auto channels = static_cast<std::size_t>(shape.c);
  const ChannelStats& stats = config_.stats;
  NAS_CHECK(stats.mean.size() == channels && stats.std.size() == channels, "augment: images have ",
            shape.c, " channels, there are ", stats.mean.size(), " means and ", stats.std.size(),
            " standard deviations");
  NAS_CHECK(config_.pad >= 0 && config_.pad <= std::min(shape.h, shape.w), "augment: pad ",
            config_.pad, ", expected 0 to the size of the image ", ToString(shape));
  NAS_CHECK(config_.cutout >= 0, "augment: cutout ", config_.cutout, ", expected at least 0");
  if (config_.resized_crop) CheckResizedCrop(*config_.resized_crop);
  CheckColorJitter(config_.colors, shape.c);
  normalised_.reserve(channels * 256);
  for (std::size_t c = 0; c < channels; ++c) {
    NAS_CHECK(stats.std[c] > 0, "augment: standard deviation ", stats.std[c], " of channel ", c,
              ", expected a positive number");
    for (int byte = 0; byte < 256; ++byte) {
      normalised_.push_back(static_cast<float>((byte / 255.0 - stats.mean[c]) / stats.std[c]));
    }
  }
}

AugmentDraw Augment::Draw(std::int64_t epoch, std::int64_t image) const {
  AugmentDraw draw{
      .crop_y = config_.pad, .crop_x = config_.pad, .window = {.h = shape_.h, .w = shape_.w}};
  if (config_.resized_crop) {
    draw.window = DrawCropWindow(*config_.resized_crop, shape_, rng_, epoch, image);
  }
  if (config_.colors.any()) draw.colors = DrawColors(config_.colors, rng_, epoch, image);
  if (config_.pad == 0 && !config_.flip && config_.cutout == 0) return draw;
  // Two blocks of four words an image, so that switching one choice on never shifts another.
  const auto step = static_cast<std::uint64_t>(epoch);
  const auto first = rng_.Bits(step, 2 * static_cast<std::uint64_t>(image));
  draw.crop_y = EvenlyBelow(first[0], 2 * config_.pad + 1);
  draw.crop_x = EvenlyBelow(first[1], 2 * config_.pad + 1);
  draw.flip = config_.flip && (first[2] >> 31) != 0;
  if (config_.cutout > 0) {
    const auto second = rng_.Bits(step, 2 * static_cast<std::uint64_t>(image) + 1);
    draw.cutout_y = EvenlyBelow(second[0], shape_.h);
    draw.cutout_x = EvenlyBelow(second[1], shape_.w);
  }
  return draw;
}

// Normalises the row `from` into `to`, flipped and shifted; what the shift uncovers becomes 0.
void Augment::CopyRow(const std::uint8_t* from, const AugmentDraw& draw, float* to) const {
  const std::int64_t w = shape_.w, c = shape_.c;
  const std::int64_t shift = draw.crop_x - config_.pad;  // to[x] = from[x + shift]
  const std::int64_t begin = std::max<std::int64_t>(0, -shift);
  const std::int64_t end = std::min(w, w - shift);
  std::fill(to, to + begin * c, 0.0f);
  std::fill(to + end * c, to + w * c, 0.0f);
  const std::int64_t step = draw.flip ? -c : c;
  std::int64_t at = (draw.flip ? w - 1 - (begin + shift) : begin + shift) * c;
  for (std::int64_t x = begin; x < end; ++x, at += step) {
    for (std::int64_t k = 0; k < c; ++k) {
      to[x * c + k] = normalised_[static_cast<std::size_t>(k * 256 + from[at + k])];
    }
  }
}

void Augment::CutOut(const AugmentDraw& draw, std::span<float> out) const {
  const std::int64_t top = draw.cutout_y - config_.cutout / 2;
  const std::int64_t left = draw.cutout_x - config_.cutout / 2;
  const std::int64_t x_begin = std::max<std::int64_t>(0, left);
  const std::int64_t x_end = std::min(shape_.w, left + config_.cutout);
  const std::int64_t y_end = std::min(shape_.h, top + config_.cutout);
  for (std::int64_t y = std::max<std::int64_t>(0, top); y < y_end; ++y) {
    float* row = out.data() + y * shape_.w * shape_.c;
    std::fill(row + x_begin * shape_.c, row + x_end * shape_.c, 0.0f);
  }
}

void Augment::Copy(std::span<const std::uint8_t> hwc, const AugmentDraw& draw,
                   std::span<float> out) const {
  const std::int64_t row = shape_.w * shape_.c;
  for (std::int64_t y = 0; y < shape_.h; ++y) {
    const std::int64_t from = y + draw.crop_y - config_.pad;
    float* to = out.data() + y * row;
    if (from < 0 || from >= shape_.h) {
      std::fill(to, to + row, 0.0f);
    } else {
      CopyRow(hwc.data() + from * row, draw, to);
    }
  }
}

void Augment::Remake(std::span<const std::uint8_t> hwc, const AugmentDraw& draw,
                     std::span<float> out) const {
  EnlargeWindow(hwc, shape_, draw.window, draw.flip, out);
  ChangeColors(draw.colors, shape_.c, out);
  const auto channels = static_cast<std::size_t>(shape_.c);
  for (std::size_t c = 0; c < channels; ++c) {
    const float mean = config_.stats.mean[c];
    const float scale = 1.0f / config_.stats.std[c];
    for (std::size_t i = c; i < out.size(); i += channels) out[i] = scale * (out[i] - mean);
  }
  Shift(draw, out);
}

// In place: row after row in the order in which no row is overwritten before it is read.
void Augment::Shift(const AugmentDraw& draw, std::span<float> out) const {
  const std::int64_t dy = draw.crop_y - config_.pad;  // out[y][x] = before[y + dy][x + dx]
  const std::int64_t dx = draw.crop_x - config_.pad;
  if (dy == 0 && dx == 0) return;
  const std::int64_t row = shape_.w * shape_.c;
  const std::int64_t begin = std::clamp<std::int64_t>(-dx, 0, shape_.w) * shape_.c;
  const std::int64_t end = std::clamp<std::int64_t>(shape_.w - dx, 0, shape_.w) * shape_.c;
  for (std::int64_t i = 0; i < shape_.h; ++i) {
    const std::int64_t y = dy > 0 ? i : shape_.h - 1 - i;
    float* to = out.data() + y * row;
    if (y + dy < 0 || y + dy >= shape_.h) {
      std::fill(to, to + row, 0.0f);
      continue;
    }
    const float* from = out.data() + (y + dy) * row + dx * shape_.c;
    std::memmove(to + begin, from + begin, static_cast<std::size_t>(end - begin) * sizeof(float));
    std::fill(to, to + begin, 0.0f);
    std::fill(to + end, to + row, 0.0f);
  }
}

void Augment::Apply(std::span<const std::uint8_t> hwc, std::int64_t epoch, std::int64_t image,
                    std::span<float> out) const {
  NAS_CHECK(static_cast<std::int64_t>(hwc.size()) == shape_.elements() && out.size() == hwc.size(),
            "augment: ", hwc.size(), " bytes into ", out.size(), " floats, expected ",
            shape_.elements(), " (", ToString(shape_), ")");
  const AugmentDraw draw = Draw(epoch, image);
  if (config_.resized_crop || config_.colors.any()) {
    Remake(hwc, draw, out);
  } else {
    Copy(hwc, draw, out);
  }
  if (config_.cutout > 0) CutOut(draw, out);
}

}  // namespace nasengine
