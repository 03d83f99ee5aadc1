// A random part of an image, enlarged to the size of the whole: the augmentation of the published
// ImageNet training.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "data/dataset.h"
#include "kernels/core/rng.h"

namespace nasengine {

struct ResizedCropConfig {
  // Of the part: its share of the image's area, and its width by its height.
  double min_area = 0.08;
  double max_area = 1.0;
  double min_ratio = 3.0 / 4.0;
  double max_ratio = 4.0 / 3.0;
};
// Throws kInvalidArgument unless 0 < min_area <= max_area <= 1 and 0 < min_ratio <= max_ratio.
void CheckResizedCrop(const ResizedCropConfig& config);

// A part of an image, in pixels.
struct CropWindow {
  std::int64_t y = 0;
  std::int64_t x = 0;
  std::int64_t h = 0;
  std::int64_t w = 0;
  friend bool operator==(const CropWindow&, const CropWindow&) = default;
};

// Area evenly, ratio evenly in its logarithm, place evenly among those that fit. A window that does
// not fit is drawn again, ten times in all; then it is the largest one around the centre whose
// ratio the configuration allows. A pure function of (rng, epoch, image).
CropWindow DrawCropWindow(const ResizedCropConfig& config, const ImageShape& shape, const Rng& rng,
                          std::int64_t epoch, std::int64_t image);

// The window enlarged to the whole image by linear interpolation between pixel centres, whose
// outermost ones extend to the window's border: `hwc`, bytes of h w c, to `out`, floats of h w c in
// [0, 1]; mirrored where `flip`.
void EnlargeWindow(std::span<const std::uint8_t> hwc, const ImageShape& shape,
                   const CropWindow& window, bool flip, std::span<float> out);

}  // namespace nasengine
