// SPDX-License-Identifier: MIT
#include "nas/train/recipe_images.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "data/synthetic_dataset.h"
#include "kernels/core/error.h"

namespace nasengine {
namespace {

const ChannelStats kStats{.mean = {0.5f, 0.4f, 0.3f}, .std = {0.2f, 0.3f, 0.4f}};

TEST(RecipeImagesTest, AugmentationIsTheRecipes) {
  Recipe recipe;
  recipe.flip = false;
  recipe.crop_pad = 3;
  recipe.cutout = 5;
  AugmentConfig search = SearchAugment(recipe, kStats);
  EXPECT_EQ(search.stats.mean, kStats.mean);
  EXPECT_EQ(search.pad, 3);
  EXPECT_FALSE(search.flip);
  EXPECT_EQ(search.cutout, 5);
  EXPECT_FALSE(search.resized_crop.has_value());
  EXPECT_FALSE(search.colors.any());

  recipe.resized_crop = true;
  recipe.crop_min_area = 0.25;
  recipe.crop_max_area = 0.75;
  recipe.crop_min_ratio = 0.5;
  recipe.crop_max_ratio = 2;
  recipe.color_jitter = ColorJitter::kNormal;
  recipe.train_color_jitter = ColorJitter::kStrong;
  search = SearchAugment(recipe, kStats);
  ASSERT_TRUE(search.resized_crop.has_value());
  EXPECT_EQ(search.resized_crop->min_area, 0.25);
  EXPECT_EQ(search.resized_crop->max_area, 0.75);
  EXPECT_EQ(search.resized_crop->min_ratio, 0.5);
  EXPECT_EQ(search.resized_crop->max_ratio, 2);
  EXPECT_EQ(search.colors.brightness, 32.0 / 255);
  EXPECT_EQ(search.colors.contrast, 0);
  EXPECT_EQ(search.colors.saturation, 0.5);
  EXPECT_EQ(search.colors.hue, 0);
  const ColorJitterConfig strong = TrainAugment(recipe, kStats).colors;
  EXPECT_EQ(strong.brightness, 0.4);
  EXPECT_EQ(strong.contrast, 0.4);
  EXPECT_EQ(strong.saturation, 0.4);
  EXPECT_EQ(strong.hue, 0.1);
}

TEST(RecipeImagesTest, NormalisesByTheRecipeOrByTheImages) {
  EXPECT_EQ(NormalizationOf({}, {}, kStats).std, kStats.std);
  const ChannelStats given = NormalizationOf({0.1, 0.2, 0.3}, {0.4, 0.5, 0.6}, kStats);
  EXPECT_EQ(given.mean, (std::vector<float>{0.1f, 0.2f, 0.3f}));
  EXPECT_EQ(given.std, (std::vector<float>{0.4f, 0.5f, 0.6f}));
  EXPECT_THROW(NormalizationOf({0.1}, {0.2}, kStats), Error);
}

TEST(RecipeImagesTest, TheSplitHasItsOwnSeedOrTheRuns) {
  const SyntheticDataset data({.shape = {4, 4, 1}, .classes = 7, .count = 210, .seed = 2});
  Recipe recipe;
  recipe.validation_fraction = 0.1;
  const auto held_out = [&](std::uint32_t seed) {
    return HeldOutSplit(data, recipe, seed).architecture;
  };
  EXPECT_EQ(held_out(1).size(), 21u);
  EXPECT_NE(held_out(1), held_out(2));
  EXPECT_EQ(held_out(1), StratifiedSplit(data, 21, 1).architecture);
  recipe.split_seed = 0;
  EXPECT_EQ(held_out(1), held_out(2));
  EXPECT_EQ(held_out(1), StratifiedSplit(data, 21, 0).architecture);
  recipe.validation_split = ValidationSplit::kEqual;
  EXPECT_EQ(held_out(1), EqualSplit(data, 21, 0).architecture);
}

TEST(RecipeImagesTest, TheLastPartIsKeptWhereTheRecipeKeepsIt) {
  Recipe recipe;
  EXPECT_EQ(TrainingOrder(recipe), SampleOrder::kShuffled);
  EXPECT_EQ(TrainingSizes(recipe, 16, 50), (std::vector<std::int64_t>{16}));
  recipe.drop_last = false;
  EXPECT_EQ(TrainingOrder(recipe), SampleOrder::kShuffledWhole);
  EXPECT_EQ(TrainingSizes(recipe, 16, 50), (std::vector<std::int64_t>{16, 2}));
  EXPECT_EQ(TrainingSizes(recipe, 16, 48), (std::vector<std::int64_t>{16}));
}

}  // namespace
}  // namespace nasengine
