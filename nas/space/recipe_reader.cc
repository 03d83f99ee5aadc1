// The ranges a recipe's values may have.
// SPDX-License-Identifier: MIT
#include "nas/space/recipe_reader.h"

namespace nasengine {
namespace {

constexpr int kMaxEpochs = 100000;
constexpr int64_t kMaxBatch = 1 << 20;
constexpr int kMaxPaths = 1000000;
constexpr int kMaxUpdates = 1000000;
constexpr double kMaxRate = 100.0;

void ReadSchedule(const TableReader& table, Recipe& recipe) {
  recipe.batch = table.Int("batch", 1, kMaxBatch, recipe.batch);
  recipe.arch_batch = table.Int("arch_batch", 0, kMaxBatch, recipe.arch_batch);
  const auto epochs = [&](std::string_view key, int fallback) {
    return static_cast<int>(table.Int(key, 0, kMaxEpochs, fallback));
  };
  recipe.warmup_epochs = epochs("warmup_epochs", recipe.warmup_epochs);
  recipe.search_epochs = epochs("search_epochs", recipe.search_epochs);
  recipe.train_epochs = epochs("train_epochs", recipe.train_epochs);
  recipe.arch_start_epoch = epochs("arch_start_epoch", recipe.arch_start_epoch);
  recipe.arch_every = static_cast<int>(table.Int("arch_every", 1, kMaxEpochs, recipe.arch_every));
}

void ReadOptimisers(const TableReader& table, Recipe& recipe) {
  recipe.warmup_lr = table.Real("warmup_lr", 0.0, kMaxRate, recipe.warmup_lr);
  recipe.search_lr = table.Real("search_lr", 0.0, kMaxRate, recipe.search_lr);
  recipe.train_lr = table.Real("train_lr", 0.0, kMaxRate, recipe.train_lr);
  recipe.momentum = table.Real("momentum", 0.0, 0.9999, recipe.momentum);
  recipe.weight_decay = table.Real("weight_decay", 0.0, 1.0, recipe.weight_decay);
  recipe.label_smoothing = table.Real("label_smoothing", 0.0, 0.99, recipe.label_smoothing);
  recipe.alpha_lr = table.Real("alpha_lr", 0.0, kMaxRate, recipe.alpha_lr);
  recipe.alpha_init_std = table.Real("alpha_init_std", 0.0, 10.0, recipe.alpha_init_std);
  recipe.latency_weight = table.Real("latency_weight", 0.0, 1000.0, recipe.latency_weight);
}

void ReadOtherAlgorithms(const TableReader& table, Recipe& recipe) {
  recipe.rl_samples = static_cast<int>(table.Int("rl_samples", 1, kMaxPaths, recipe.rl_samples));
  recipe.rl_batch = table.Int("rl_batch", 2, kMaxBatch, recipe.rl_batch);
  recipe.rl_updates_per_epoch = static_cast<int>(
      table.Int("rl_updates_per_epoch", 1, kMaxUpdates, recipe.rl_updates_per_epoch));
  recipe.rl_latency_exponent =
      table.Real("rl_latency_exponent", 0.0, 100.0, recipe.rl_latency_exponent);
  recipe.rl_baseline_weight = table.Real("rl_baseline_weight", 0.0, 1.0, recipe.rl_baseline_weight);
  recipe.rl_alpha_lr = table.Real("rl_alpha_lr", 0.0, kMaxRate, recipe.rl_alpha_lr);
  recipe.random_samples =
      static_cast<int>(table.Int("random_samples", 1, kMaxPaths, recipe.random_samples));
}

void ReadImages(const TableReader& table, Recipe& recipe) {
  recipe.validation_fraction =
      table.Real("validation_fraction", 0.001, 0.9, recipe.validation_fraction);
  recipe.crop_pad = static_cast<int>(table.Int("crop_pad", 0, 64, recipe.crop_pad));
  recipe.flip = table.Bool("flip", recipe.flip);
  recipe.cutout = static_cast<int>(table.Int("cutout", 0, 512, recipe.cutout));
  recipe.dropout = table.Real("dropout", 0.0, 0.99, recipe.dropout);
  recipe.calibration_batches =
      static_cast<int>(table.Int("calibration_batches", 1, 10000, recipe.calibration_batches));
}

}  // namespace

Recipe ReadRecipe(const SourceValue& value, const Recipe& base) {
  const TableReader table(value, "[recipe]",
                          {"batch",
                           "arch_batch",
                           "warmup_epochs",
                           "search_epochs",
                           "train_epochs",
                           "warmup_lr",
                           "search_lr",
                           "train_lr",
                           "momentum",
                           "weight_decay",
                           "label_smoothing",
                           "alpha_lr",
                           "arch_every",
                           "arch_start_epoch",
                           "alpha_init_std",
                           "rl_samples",
                           "rl_batch",
                           "rl_updates_per_epoch",
                           "rl_latency_exponent",
                           "rl_baseline_weight",
                           "rl_alpha_lr",
                           "random_samples",
                           "latency_weight",
                           "crop_pad",
                           "flip",
                           "cutout",
                           "dropout",
                           "validation_fraction",
                           "calibration_batches"});
  Recipe recipe = base;
  ReadSchedule(table, recipe);
  ReadOptimisers(table, recipe);
  ReadOtherAlgorithms(table, recipe);
  ReadImages(table, recipe);
  return recipe;
}

}  // namespace nasengine
