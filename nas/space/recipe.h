// How a space wants to be searched and its networks trained: everything that belongs to the space
// and not to a single run. The defaults are the published ones for ImageNet (ProxylessNAS, ICLR
// 2019, and its code); a space file's [recipe] changes single values by the names used here.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace nasengine {

struct Recipe {
  // Images per weight step, and per architecture step where arch_batch is 0.
  int64_t batch = 256;
  int64_t arch_batch = 0;
  // Weights only, over evenly drawn paths; then weights and architecture; then the derived network.
  int warmup_epochs = 40;
  int search_epochs = 120;
  int train_epochs = 300;

  // Weights: SGD with Nesterov momentum, cosine to 0 over each phase, from these rates.
  double warmup_lr = 0.05;
  double search_lr = 0.025;
  double train_lr = 0.05;
  double momentum = 0.9;
  double weight_decay = 4e-5;
  double label_smoothing = 0.1;

  // Architecture parameters: Adam with beta1 = 0, constant rate, one step after every arch_every-th
  // weight step, none in the first arch_start_epoch epochs of the search.
  double alpha_lr = 1e-3;
  int arch_every = 5;
  int arch_start_epoch = 1;
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
  // Share of the training images held out, evenly by class, for the architecture steps.
  double validation_fraction = 50000.0 / 1281167.0;

  // Training images: zero padding before a random crop of the original size, mirroring, and the
  // side of a square that is blanked; 0 and false switch each off.
  int crop_pad = 0;
  bool flip = true;
  int cutout = 0;
  // Before the classifier while a derived network is trained; the search itself uses none.
  double dropout = 0.1;
  // Training batches over which a derived network's running statistics are averaged anew.
  int calibration_batches = 50;

  friend bool operator==(const Recipe&, const Recipe&) = default;
};

}  // namespace nasengine
