// From stored bytes to what a network reads: a part of the image enlarged, flip, colours,
// normalise, pad and crop, cut out.
//
// What happens to an image is a pure function of (seed, epoch, image), whatever thread prepares it
// and in whatever order.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/channel_stats.h"
#include "data/color_jitter.h"
#include "data/dataset.h"
#include "data/resized_crop.h"
#include "kernels/core/rng.h"

namespace nasengine {

struct AugmentConfig {
  ChannelStats stats;  // one mean and one standard deviation a channel
  int pad = 0;         // pixels of zeros added on every side before a random crop of the old size
  bool flip = false;   // left to right, for half of the images
  int cutout = 0;      // side of a square of zeros around a random pixel, clipped at the borders
  std::optional<ResizedCropConfig> resized_crop = std::nullopt;
  ColorJitterConfig colors{};
};

// The same statistics without anything random: what evaluation uses.
AugmentConfig WithoutAugmentation(AugmentConfig config);

// The random choices for one image.
struct AugmentDraw {
  std::int64_t crop_y = 0;  // in [0, 2 pad]; pad leaves the image where it is
  std::int64_t crop_x = 0;
  bool flip = false;
  std::int64_t cutout_y = 0;  // centre of the square, in [0, h) and [0, w)
  std::int64_t cutout_x = 0;
  CropWindow window{};  // of a resized crop; otherwise the whole image
  ColorDraw colors{};
};

class Augment {
 public:
  // Throws kInvalidArgument when the statistics do not match the channels, a standard deviation is
  // not positive, pad or cutout is negative, pad exceeds the image, or CheckResizedCrop or
  // CheckColorJitter refuse.
  Augment(AugmentConfig config, const ImageShape& shape, std::uint32_t seed);

  const AugmentConfig& config() const { return config_; }
  const ImageShape& shape() const { return shape_; }

  AugmentDraw Draw(std::int64_t epoch, std::int64_t image) const;

  // Writes (value - mean) / std with value = byte / 255, enlarged, flipped, recoloured, shifted and
  // cut out, to `out`; both are h w c. Padding and cut-outs are 0, the mean colour, since they come
  // after normalising.
  void Apply(std::span<const std::uint8_t> hwc, std::int64_t epoch, std::int64_t image,
             std::span<float> out) const;

 private:
  // Without and with a change of the pixels' values.
  void Copy(std::span<const std::uint8_t> hwc, const AugmentDraw& draw, std::span<float> out) const;
  void CopyRow(const std::uint8_t* from, const AugmentDraw& draw, float* to) const;
  void Remake(std::span<const std::uint8_t> hwc, const AugmentDraw& draw,
              std::span<float> out) const;
  void Shift(const AugmentDraw& draw, std::span<float> out) const;
  void CutOut(const AugmentDraw& draw, std::span<float> out) const;

  AugmentConfig config_;
  ImageShape shape_;
  Rng rng_;
  // normalised_[channel * 256 + byte]
  std::vector<float> normalised_;
};

}  // namespace nasengine
