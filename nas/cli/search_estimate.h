// How long a search will take on this machine, from a few measured steps, and the epochs that fit a
// given time.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

#include "data/loader.h"
#include "nas/report/search_summary.h"
#include "nas/space/recipe.h"
#include "nas/supernet/supernet.h"

namespace nasengine {

// Seconds of one step, mean over a few random paths.
struct MeasuredSteps {
  double weight_seconds = 0;
  double architecture_seconds = 0;
};

// Runs a few steps without updating anything: weights, alphas, running statistics and the loaders'
// positions are afterwards what they were.
MeasuredSteps MeasureSteps(Context& context, const Supernet& supernet, Loader& weight_loader,
                           Loader& arch_loader, std::uint32_t seed);

// A training step of the derived network is taken for a weight step along a mean path; so many
// `networks` are trained. `profile_seconds` is what the latency table took.
PhaseSeconds EstimateSeconds(const MeasuredSteps& steps, const Recipe& recipe,
                             std::int64_t batches_per_epoch, std::int64_t max_steps,
                             double profile_seconds, int networks);

// The recipe with its epochs scaled alike, none below 1, so that the estimated warm-up, search and
// training fit `seconds`; alpha_lr grows as the number of architecture steps falls, so that
// learning rate times updates, which is how far an alpha can travel, stays. Throws
// kInvalidArgument, naming the shortest time, when one epoch of each does not fit.
Recipe FitToBudget(const Recipe& recipe, double seconds,
                   const std::function<PhaseSeconds(const Recipe&)>& estimate);

}  // namespace nasengine
