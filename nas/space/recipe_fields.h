// Every value of a recipe with its name and what it may be: the one list from which recipes are
// read, written and compared.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "nas/space/recipe.h"

namespace nasengine {

// What a value may be; bounds are inclusive.
struct Integers {
  int64_t low;
  int64_t high;
};
struct Reals {
  double low;
  double high;
};
struct Booleans {};
// The words of an enumeration, in its order.
struct Words {
  std::span<const std::string_view> list;
};

inline constexpr std::string_view kDecayWords[] = {"all", "weights"};
inline constexpr std::string_view kWeightInitWords[] = {"fan-out", "fan-out-per-group"};
inline constexpr std::string_view kCandidateStartWords[] = {"independent", "aligned"};
inline constexpr std::string_view kAlphaInitWords[] = {"normal", "uniform"};
inline constexpr std::string_view kValidationSplitWords[] = {"stratified", "equal"};
inline constexpr std::string_view kColorJitterWords[] = {"none", "normal", "strong"};

inline constexpr Integers kEpochs{0, 100000};
inline constexpr Integers kBatch{1, 1 << 20};
inline constexpr Integers kBatchOrZero{0, 1 << 20};
inline constexpr Integers kCount{1, 1000000};
inline constexpr Reals kRate{0.0, 100.0};
inline constexpr Reals kShare{0.0, 1.0};

namespace recipe_fields {

template <class R, class Visit>
void VisitSchedule(R& r, const Visit& visit) {
  visit("batch", r.batch, kBatch);
  visit("arch_batch", r.arch_batch, kBatchOrZero);
  visit("train_batch", r.train_batch, kBatchOrZero);
  visit("micro_batch", r.micro_batch, kBatchOrZero);
  visit("drop_last", r.drop_last, Booleans{});
  visit("warmup_epochs", r.warmup_epochs, kEpochs);
  visit("search_epochs", r.search_epochs, kEpochs);
  visit("train_epochs", r.train_epochs, kEpochs);
}

template <class R, class Visit>
void VisitWeights(R& r, const Visit& visit) {
  visit("warmup_lr", r.warmup_lr, kRate);
  visit("search_lr", r.search_lr, kRate);
  visit("train_lr", r.train_lr, kRate);
  visit("momentum", r.momentum, Reals{0.0, 0.9999});
  visit("nesterov", r.nesterov, Booleans{});
  visit("weight_decay", r.weight_decay, kShare);
  visit("decay", r.decay, Words{kDecayWords});
  visit("label_smoothing", r.label_smoothing, Reals{0.0, 0.99});
  visit("weight_init", r.weight_init, Words{kWeightInitWords});
  visit("candidate_start", r.candidate_start, Words{kCandidateStartWords});
  visit("train_warmup_epochs", r.train_warmup_epochs, kEpochs);
  visit("train_warmup_start", r.train_warmup_start, kShare);
  visit("train_nesterov", r.train_nesterov, Booleans{});
  visit("train_weight_decay", r.train_weight_decay, kShare);
  visit("train_decay", r.train_decay, Words{kDecayWords});
}

template <class R, class Visit>
void VisitArchitecture(R& r, const Visit& visit) {
  visit("alpha_lr", r.alpha_lr, kRate);
  visit("alpha_beta1", r.alpha_beta1, Reals{0.0, 0.9999});
  visit("alpha_beta2", r.alpha_beta2, Reals{0.0, 0.999999});
  visit("alpha_epsilon", r.alpha_epsilon, Reals{1e-12, 1.0});
  visit("alpha_weight_decay", r.alpha_weight_decay, kShare);
  visit("arch_every", r.arch_every, Integers{1, kEpochs.high});
  visit("arch_start_epoch", r.arch_start_epoch, kEpochs);
  visit("alpha_init", r.alpha_init, Words{kAlphaInitWords});
  visit("alpha_init_std", r.alpha_init_std, Reals{0.0, 10.0});
  visit("rl_samples", r.rl_samples, kCount);
  visit("rl_batch", r.rl_batch, Integers{2, kBatch.high});
  visit("rl_updates_per_epoch", r.rl_updates_per_epoch, kCount);
  visit("rl_latency_exponent", r.rl_latency_exponent, Reals{0.0, 100.0});
  visit("rl_baseline_weight", r.rl_baseline_weight, kShare);
  visit("rl_alpha_lr", r.rl_alpha_lr, kRate);
  visit("random_samples", r.random_samples, kCount);
  visit("latency_weight", r.latency_weight, Reals{0.0, 1000.0});
}

template <class R, class Visit>
void VisitImages(R& r, const Visit& visit) {
  visit("validation_fraction", r.validation_fraction, Reals{0.001, 0.9});
  visit("validation_split", r.validation_split, Words{kValidationSplitWords});
  visit("split_seed", r.split_seed, Integers{0, std::numeric_limits<uint32_t>::max()});
  visit("validate_every", r.validate_every, kEpochs);
  visit("validation_batch", r.validation_batch, Integers{2, kBatch.high});
  visit("resized_crop", r.resized_crop, Booleans{});
  visit("crop_min_area", r.crop_min_area, Reals{0.0001, 1.0});
  visit("crop_max_area", r.crop_max_area, Reals{0.0001, 1.0});
  visit("crop_min_ratio", r.crop_min_ratio, Reals{0.01, 100.0});
  visit("crop_max_ratio", r.crop_max_ratio, Reals{0.01, 100.0});
  visit("flip", r.flip, Booleans{});
  visit("color_jitter", r.color_jitter, Words{kColorJitterWords});
  visit("train_color_jitter", r.train_color_jitter, Words{kColorJitterWords});
  visit("crop_pad", r.crop_pad, Integers{0, 64});
  visit("cutout", r.cutout, Integers{0, 512});
  visit("mean", r.mean, kShare);
  visit("std", r.std, Reals{1e-6, 1.0});
  visit("dropout", r.dropout, Reals{0.0, 0.99});
  visit("calibration_batches", r.calibration_batches, Integers{1, 10000});
}

}  // namespace recipe_fields

// Calls visit(name, value, limits) for every value of `recipe`, a Recipe or const Recipe. A value
// is an int, int64_t, double, bool, enumeration, std::optional of a number or std::vector<double>;
// an absent optional is what no file can name.
template <class R, class Visit>
void VisitRecipe(R& recipe, const Visit& visit) {
  recipe_fields::VisitSchedule(recipe, visit);
  recipe_fields::VisitWeights(recipe, visit);
  recipe_fields::VisitArchitecture(recipe, visit);
  recipe_fields::VisitImages(recipe, visit);
}

}  // namespace nasengine
