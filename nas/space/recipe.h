// How a space wants to be searched and its networks trained: everything that belongs to the space
// and not to a single run. The defaults are the published ones for ImageNet (ProxylessNAS, ICLR
// 2019, and its code) but for what needs large images or costs time, which the preset `official`
// adds; a space file's [recipe] changes single values by the names used here.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace nasengine {

// Which weights decay: all, or neither batch norms' scale and shift nor biases.
enum class DecayOf { kAll, kWeights };
// Convolutions start as normal(0, sqrt(2 / fan)), fan = k * k * c_out, or that over the groups,
// which makes it k * k for depthwise ones.
enum class WeightInit { kFanOut, kFanOutPerGroup };
// The candidates of a block start each by random numbers of its own; or by the same ones where
// their weights overlap, and where the block has a residual with a last scale of 0: then all paths
// start as much the same function, and a short warm-up gets somewhere.
enum class CandidateStart { kIndependent, kAligned };
// Alphas start as normal(0, alpha_init_std) or evenly in +-alpha_init_std.
enum class AlphaInit { kNormal, kUniform };
// Images are held out from every class by its share of the set, or as many from each.
enum class ValidationSplit { kStratified, kEqual };
// Brightness +-32/255 and saturation +-0.5; or brightness, contrast and saturation +-0.4 and
// hue +-0.1.
enum class ColorJitter { kNone, kNormal, kStrong };

struct Recipe {
  // Images per weight step; per architecture step and per training step, as many where these are 0.
  int64_t batch = 256;
  int64_t arch_batch = 0;
  int64_t train_batch = 0;
  // Images that a step computes with at a time, 0: all of a batch. Parts of a batch have their
  // gradients added up, and batch statistics of their own.
  int64_t micro_batch = 0;
  // Whether an epoch leaves out its last, partial batch. Architecture steps always do.
  bool drop_last = true;
  // Weights only, over evenly drawn paths; then weights and architecture; then the derived network.
  int warmup_epochs = 40;
  int search_epochs = 120;
  int train_epochs = 300;

  // Weights: SGD with momentum, cosine to 0 over each phase, from these rates.
  double warmup_lr = 0.05;
  double search_lr = 0.025;
  double train_lr = 0.05;
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 4e-5;
  DecayOf decay = DecayOf::kAll;
  double label_smoothing = 0.1;
  WeightInit weight_init = WeightInit::kFanOut;
  CandidateStart candidate_start = CandidateStart::kIndependent;
  // Where training the derived network differs: the rate rises linearly from
  // train_warmup_start * train_lr over so many epochs before its cosine begins; no
  // train_weight_decay stands for weight_decay.
  int train_warmup_epochs = 0;
  double train_warmup_start = 0.125;
  bool train_nesterov = true;
  std::optional<double> train_weight_decay{};
  DecayOf train_decay = DecayOf::kWeights;

  // Architecture parameters: Adam, constant rate, one step after every arch_every-th weight step,
  // none in the first arch_start_epoch epochs of the search.
  double alpha_lr = 1e-3;
  double alpha_beta1 = 0;
  double alpha_beta2 = 0.999;
  double alpha_epsilon = 1e-8;
  double alpha_weight_decay = 0;
  int arch_every = 5;
  int arch_start_epoch = 1;
  AlphaInit alpha_init = AlphaInit::kNormal;
  double alpha_init_std = 1e-3;
  // Proxyless-R instead: rl_samples paths an update, scored on the same rl_batch held-out images
  // (on all of them where fewer are held out), and rl_updates_per_epoch updates spread evenly over
  // an epoch, at most one after a weight step. The reward is top1 * (reference / latency) ^
  // rl_latency_exponent; rl_baseline_weight is the weight of new rewards in its baseline.
  int rl_samples = 10;
  int64_t rl_batch = 1000;
  int rl_updates_per_epoch = 300;
  double rl_latency_exponent = 0.1;
  double rl_baseline_weight = 0.99;
  double rl_alpha_lr = 1e-3;
  // Random search: paths within the reference latency that are compared when it ends.
  int random_samples = 100;
  // lambda of CE + lambda * (E[latency] - reference) / reference.
  double latency_weight = 0.1;

  // Share of the training images held out for the architecture steps; no split_seed stands for the
  // run's seed.
  double validation_fraction = 50000.0 / 1281167.0;
  ValidationSplit validation_split = ValidationSplit::kStratified;
  std::optional<uint32_t> split_seed{};
  // The likeliest path is tried on all of them after every validate_every-th epoch (0: only at the
  // end), in batches of this many images, whose own statistics it uses.
  int validate_every = 0;
  int64_t validation_batch = 200;

  // Training images: zero padding before a random crop of the original size; a random part enlarged
  // to the original size (its area as a share of the image's, its width by its height); mirroring;
  // changes of colour, for the weights of the search and of the derived network; and the side of a
  // square that is blanked. none, 0 and false switch each off.
  int crop_pad = 0;
  bool resized_crop = false;
  double crop_min_area = 0.08;
  double crop_max_area = 1;
  double crop_min_ratio = 3.0 / 4;
  double crop_max_ratio = 4.0 / 3;
  bool flip = true;
  ColorJitter color_jitter = ColorJitter::kNone;
  ColorJitter train_color_jitter = ColorJitter::kNone;
  int cutout = 0;
  // By which pixels in [0, 1] are normalised, one number a channel; empty: those of the training
  // images.
  std::vector<double> mean{};
  std::vector<double> std{};
  // Before the classifier while a derived network is trained; the search itself uses none.
  double dropout = 0.1;
  // Training batches over which a derived network's running statistics are averaged anew.
  int calibration_batches = 50;

  friend bool operator==(const Recipe&, const Recipe&) = default;
};

// Images of a training step of the derived network, and the decay of its weights.
inline int64_t TrainBatch(const Recipe& recipe) {
  return recipe.train_batch > 0 ? recipe.train_batch : recipe.batch;
}
inline double TrainWeightDecay(const Recipe& recipe) {
  return recipe.train_weight_decay.value_or(recipe.weight_decay);
}

}  // namespace nasengine
