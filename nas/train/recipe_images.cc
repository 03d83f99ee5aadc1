// SPDX-License-Identifier: MIT
#include "nas/train/recipe_images.h"

#include <cmath>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

ColorJitterConfig ColorsOf(ColorJitter jitter) {
  switch (jitter) {
    case ColorJitter::kNormal:
      return {.brightness = 32.0 / 255, .saturation = 0.5};
    case ColorJitter::kStrong:
      return {.brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1};
    case ColorJitter::kNone:
      break;
  }
  return {};
}

AugmentConfig AugmentOf(const Recipe& recipe, const ChannelStats& stats, ColorJitter jitter) {
  AugmentConfig config{.stats = stats,
                       .pad = recipe.crop_pad,
                       .flip = recipe.flip,
                       .cutout = recipe.cutout,
                       .colors = ColorsOf(jitter)};
  if (recipe.resized_crop) {
    config.resized_crop = ResizedCropConfig{.min_area = recipe.crop_min_area,
                                            .max_area = recipe.crop_max_area,
                                            .min_ratio = recipe.crop_min_ratio,
                                            .max_ratio = recipe.crop_max_ratio};
  }
  return config;
}

}  // namespace

ChannelStats NormalizationOf(const std::vector<double>& mean, const std::vector<double>& std,
                             const ChannelStats& measured) {
  if (mean.empty() && std.empty()) return measured;
  const std::size_t channels = measured.mean.size();
  NAS_CHECK(mean.size() == channels && std.size() == channels, "normalisation: found ", mean.size(),
            " means and ", std.size(), " standard deviations, expected ", channels,
            " of each, one a channel of the images; set mean and std in [recipe], to [] for those "
            "of the training images");
  return {.mean = {mean.begin(), mean.end()}, .std = {std.begin(), std.end()}};
}

AugmentConfig SearchAugment(const Recipe& recipe, const ChannelStats& stats) {
  return AugmentOf(recipe, stats, recipe.color_jitter);
}

AugmentConfig TrainAugment(const Recipe& recipe, const ChannelStats& stats) {
  return AugmentOf(recipe, stats, recipe.train_color_jitter);
}

Split HeldOutSplit(const Dataset& dataset, const Recipe& recipe, std::uint32_t run_seed) {
  const auto held_out = static_cast<std::int64_t>(
      std::llround(recipe.validation_fraction * static_cast<double>(dataset.size())));
  const std::uint32_t seed = recipe.split_seed.value_or(run_seed);
  return recipe.validation_split == ValidationSplit::kEqual
             ? EqualSplit(dataset, held_out, seed)
             : StratifiedSplit(dataset, held_out, seed);
}

SampleOrder TrainingOrder(const Recipe& recipe) {
  return recipe.drop_last ? SampleOrder::kShuffled : SampleOrder::kShuffledWhole;
}

std::vector<std::int64_t> TrainingSizes(const Recipe& recipe, std::int64_t batch,
                                        std::int64_t images) {
  return BatchSizes(images, batch, TrainingOrder(recipe));
}

}  // namespace nasengine
