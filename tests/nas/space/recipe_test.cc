// Recipes by their files: the official search value by value, reading back what was written, and
// the exact words about bad ones.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include "kernels/core/error.h"
#include "nas/space/recipe_fields.h"
#include "nas/space/recipe_reader.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

std::string MessageOf(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

Recipe Read(const std::string& toml, const Recipe& base = {}) {
  return ReadRecipe(ParseToml(toml, "r.toml"), base);
}

std::string Refusal(const std::string& toml) {
  return MessageOf([&] { Read(toml); });
}

// A recipe without a single official value, so that what a file leaves out shows.
Recipe NothingOfficial() {
  Recipe recipe;
  VisitRecipe(recipe, [](std::string_view, auto& value, auto) {
    using Value = std::remove_reference_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, bool>) {
      value = !value;
    } else if constexpr (std::is_arithmetic_v<Value>) {
      value = 77;
    } else if constexpr (std::is_enum_v<Value>) {
      value = static_cast<Value>(static_cast<int>(value) == 0 ? 1 : 0);
    } else if constexpr (!std::is_same_v<Value, std::vector<double>>) {
      value = 77;
    }
  });
  return recipe;
}

// Every row of the official ImageNet search and of its retraining on a single machine.
void ExpectOfficial(const Recipe& recipe) {
  // The split.
  EXPECT_EQ(recipe.split_seed, 0u);
  EXPECT_EQ(recipe.validation_fraction, 50000.0 / 1281167.0);
  EXPECT_EQ(recipe.validation_split, ValidationSplit::kEqual);
  // Batches and phases.
  EXPECT_EQ(recipe.batch, 256);
  EXPECT_EQ(recipe.arch_batch, 0) << "as many as batch";
  EXPECT_FALSE(recipe.drop_last);
  EXPECT_EQ(recipe.warmup_epochs, 40);
  EXPECT_EQ(recipe.warmup_lr, 0.05);
  EXPECT_EQ(recipe.search_epochs, 120);
  EXPECT_EQ(recipe.search_lr, 0.025);
  EXPECT_EQ(recipe.arch_start_epoch, 1);
  EXPECT_EQ(recipe.arch_every, 5);
  EXPECT_EQ(recipe.rl_updates_per_epoch, 300);
  EXPECT_EQ(recipe.rl_batch, 1000);
  EXPECT_EQ(recipe.rl_samples, 10);
  // Weights.
  EXPECT_EQ(recipe.momentum, 0.9);
  EXPECT_TRUE(recipe.nesterov);
  EXPECT_EQ(recipe.weight_decay, 4e-5);
  EXPECT_EQ(recipe.decay, DecayOf::kAll);
  EXPECT_EQ(recipe.label_smoothing, 0.1);
  EXPECT_EQ(recipe.weight_init, WeightInit::kFanOut);
  // Alphas.
  EXPECT_EQ(recipe.alpha_lr, 1e-3);
  EXPECT_EQ(recipe.rl_alpha_lr, 1e-3);
  EXPECT_EQ(recipe.alpha_beta1, 0);
  EXPECT_EQ(recipe.alpha_beta2, 0.999);
  EXPECT_EQ(recipe.alpha_epsilon, 1e-8);
  EXPECT_EQ(recipe.alpha_weight_decay, 0);
  EXPECT_EQ(recipe.alpha_init, AlphaInit::kNormal);
  EXPECT_EQ(recipe.alpha_init_std, 1e-3);
  // Images.
  EXPECT_TRUE(recipe.resized_crop);
  EXPECT_EQ(recipe.crop_min_area, 0.08);
  EXPECT_EQ(recipe.crop_max_area, 1);
  EXPECT_EQ(recipe.crop_min_ratio, 3.0 / 4);
  EXPECT_EQ(recipe.crop_max_ratio, 4.0 / 3);
  EXPECT_TRUE(recipe.flip);
  EXPECT_EQ(recipe.color_jitter, ColorJitter::kNormal);
  EXPECT_EQ(recipe.crop_pad, 0);
  EXPECT_EQ(recipe.cutout, 0);
  // Validation after every epoch.
  EXPECT_EQ(recipe.validate_every, 1);
  EXPECT_EQ(recipe.validation_batch, 1000);
  // Retraining.
  EXPECT_EQ(recipe.train_epochs, 300);
  EXPECT_EQ(TrainBatch(recipe), 256);
  EXPECT_EQ(recipe.train_lr, 0.05);
  EXPECT_EQ(recipe.train_warmup_epochs, 0);
  EXPECT_TRUE(recipe.train_nesterov);
  EXPECT_EQ(TrainWeightDecay(recipe), 4e-5);
  EXPECT_EQ(recipe.train_decay, DecayOf::kWeights);
  EXPECT_EQ(recipe.train_color_jitter, ColorJitter::kStrong);
  EXPECT_EQ(recipe.dropout, 0.1) << "of Proxyless-Mobile";
}

TEST(RecipeTest, TheOfficialPresetIsTheOfficialSearch) {
  ExpectOfficial(PresetRecipe("official", Recipe{}));
}

TEST(RecipeTest, TheOfficialPresetNamesEveryValue) {
  // But for the normalisation, which belongs to the data.
  const Recipe recipe = PresetRecipe("official", NothingOfficial());
  ExpectOfficial(recipe);
  EXPECT_EQ(recipe, PresetRecipe("official", Recipe{}));
}

TEST(RecipeTest, TheImageNetSpaceHasTheOfficialRecipe) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  ExpectOfficial(space.recipe);
  Recipe expected = PresetRecipe("official", Recipe{});
  expected.mean = {0.485, 0.456, 0.406};
  expected.std = {0.229, 0.224, 0.225};
  EXPECT_EQ(space.recipe, expected);
  EXPECT_EQ(space.batch_norm.momentum, 0.1);
  EXPECT_EQ(space.batch_norm.epsilon, 1e-3);
}

TEST(RecipeTest, TheParallelPresetIsTheOtherOfficialRetraining) {
  const Recipe base = PresetRecipe("official", Recipe{});
  Recipe expected = base;
  expected.train_batch = 512;
  expected.train_lr = 0.1;
  expected.train_warmup_epochs = 5;
  expected.train_warmup_start = 1.0 / 8;
  expected.train_nesterov = false;
  expected.train_weight_decay = 5e-5;
  expected.train_decay = DecayOf::kAll;
  EXPECT_EQ(PresetRecipe("official-parallel", base), expected);
}

TEST(RecipeTest, TheCifarPresetHasThePublishedValues) {
  const Recipe recipe = PresetRecipe("official-cifar", NothingOfficial());
  EXPECT_EQ(recipe.validation_fraction, 5000.0 / 50000);
  EXPECT_EQ(recipe.alpha_lr, 0.006);
  EXPECT_EQ(recipe.rl_alpha_lr, 0.01);
  EXPECT_EQ(recipe.alpha_beta1, 0);
  EXPECT_EQ(recipe.alpha_beta2, 0.999);
  EXPECT_EQ(recipe.warmup_epochs, 50);
  EXPECT_EQ(recipe.search_epochs, 200);
  EXPECT_EQ(recipe.train_epochs, 300);
  EXPECT_EQ(recipe.batch, 64);
  EXPECT_TRUE(recipe.drop_last);
  EXPECT_EQ(recipe.train_lr, 0.1);
  EXPECT_EQ(recipe.momentum, 0.9);
  EXPECT_TRUE(recipe.nesterov);
  EXPECT_EQ(recipe.weight_decay, 1e-4);
  EXPECT_EQ(recipe.decay, DecayOf::kAll);
  EXPECT_EQ(recipe.label_smoothing, 0);
  EXPECT_EQ(TrainBatch(recipe), 64);
  EXPECT_EQ(recipe.train_warmup_epochs, 0);
  EXPECT_TRUE(recipe.train_nesterov);
  EXPECT_EQ(TrainWeightDecay(recipe), 1e-4);
  EXPECT_EQ(recipe.train_decay, DecayOf::kAll);
  EXPECT_EQ(recipe.weight_init, WeightInit::kFanOutPerGroup);
  EXPECT_EQ(recipe.crop_pad, 4);
  EXPECT_EQ(recipe.cutout, 16);
}

TEST(RecipeTest, AnEmptyArrayTakesTheNormalisationBack) {
  Recipe base;
  base.mean = {0.5};
  base.std = {0.25};
  const Recipe unset = ReadRecipe(ParseToml("mean = []\nstd = []\n", "t"), base);
  EXPECT_TRUE(unset.mean.empty());
  EXPECT_NE(RecipeToToml(unset).find("\nmean = []\n"), std::string::npos);
}

TEST(RecipeTest, AnUnknownPresetIsRefusedWithTheList) {
  EXPECT_EQ(MessageOf([] { PresetRecipe("offical", Recipe{}); }),
            "preset: found 'offical', expected one of official, official-parallel, official-cifar");
}

TEST(RecipeTest, EveryValueIsWrittenAndReadBack) {
  // Numbers that are no defaults, inside their limits.
  Recipe recipe;
  std::set<std::string_view> keys;
  double share = 0.5;
  VisitRecipe(recipe, [&](std::string_view key, auto& value, auto limits) {
    EXPECT_TRUE(keys.insert(key).second) << key << " twice";
    using Value = std::remove_reference_t<decltype(value)>;
    share = share * 0.97;
    if constexpr (std::is_same_v<Value, bool>) {
      value = !value;
    } else if constexpr (std::is_enum_v<Value>) {
      value = static_cast<Value>(limits.list.size() - 1);
    } else if constexpr (std::is_same_v<Value, std::vector<double>>) {
      value = {share / 3, share / 7};
    } else if constexpr (std::is_same_v<Value, std::optional<uint32_t>>) {
      value = 4294967295u;
    } else if constexpr (std::is_integral_v<Value>) {
      value = static_cast<Value>(std::min<int64_t>(limits.high, limits.low + 11 + 100 * share));
    } else {
      value = limits.low + share * (std::min(limits.high, 1.0) - limits.low) / 3;
    }
  });
  std::swap(recipe.crop_min_area, recipe.crop_max_area);
  std::swap(recipe.crop_min_ratio, recipe.crop_max_ratio);
  EXPECT_NE(recipe, Recipe{});
  const std::string toml = RecipeToToml(recipe);
  EXPECT_EQ(static_cast<size_t>(std::count(toml.begin(), toml.end(), '\n')), keys.size());
  EXPECT_EQ(Read(toml), recipe);
  EXPECT_EQ(RecipeToToml(Recipe{}).find("split_seed"), std::string::npos) << "unset";
  EXPECT_EQ(RecipeToToml(recipe, {"batch"}).find("\nbatch"), std::string::npos);
}

TEST(RecipeTest, RefusesWithPlaceAndWords) {
  EXPECT_EQ(Refusal("decay = 'none'\n"), "r.toml:1:9: found 'none', expected 'all' or 'weights'");
  EXPECT_EQ(Refusal("color_jitter = 2\n"),
            "r.toml:1:16: found 2, expected 'none' or 'normal' or 'strong'");
  EXPECT_EQ(Refusal("split_seed = -1\n"),
            "r.toml:1:14: found -1, expected an integer from 0 to 4294967295");
  EXPECT_EQ(Refusal("mean = [0.5, 2]\nstd = [1, 1]\n"),
            "r.toml:1:14: found 2, expected a number from 0 to 1");
  EXPECT_EQ(
      Refusal("mean = 0.5\n"),
      "r.toml:1:8: found 0.5, expected an array of numbers, one a channel, or [] for those of the "
      "images");
  EXPECT_EQ(Refusal("mean = [0.5, 0.5]\nstd = [0.2]\n"),
            "r.toml:1:1: found 2 numbers as mean and 1 as std, expected one a channel in both");
  EXPECT_EQ(Refusal("crop_min_area = 0.5\ncrop_max_area = 0.25\n"),
            "r.toml:1:1: found crop_min_area 0.5 above crop_max_area 0.25, expected the smaller "
            "first");
  EXPECT_EQ(Refusal("alpha_beta1 = 1\n"),
            "r.toml:1:15: found 1, expected a number from 0 to 0.9999");
  EXPECT_EQ(Refusal("drop-last = true\n").rfind("r.toml:1:1: found the key 'drop-last'", 0), 0u);
}

}  // namespace
}  // namespace nasengine
