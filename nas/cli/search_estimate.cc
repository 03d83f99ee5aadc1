// SPDX-License-Identifier: MIT
#include "nas/cli/search_estimate.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/timer.h"
#include "nas/supernet/step.h"

namespace nasengine {
namespace {

constexpr int kWarmSteps = 1;
constexpr int kTimedSteps = 4;

double WorkSeconds(const PhaseSeconds& seconds) {
  return seconds.warmup + seconds.search + seconds.train;
}

Recipe Scaled(const Recipe& recipe, double factor) {
  const auto scale = [&](int epochs) {
    return epochs == 0 ? 0 : std::max(1, static_cast<int>(std::floor(epochs * factor)));
  };
  Recipe scaled = recipe;
  scaled.warmup_epochs = scale(recipe.warmup_epochs);
  scaled.search_epochs = scale(recipe.search_epochs);
  scaled.train_epochs = scale(recipe.train_epochs);
  // An architecture step must remain possible.
  scaled.arch_start_epoch =
      std::clamp(recipe.arch_start_epoch, 0, std::max(0, scaled.search_epochs - 1));
  const int updates = recipe.search_epochs - recipe.arch_start_epoch;
  const int fewer = scaled.search_epochs - scaled.arch_start_epoch;
  if (updates > 0 && fewer > 0) scaled.alpha_lr = recipe.alpha_lr * updates / fewer;
  return scaled;
}

}  // namespace

MeasuredSteps MeasureSteps(Context& context, const Supernet& supernet, Loader& weight_loader,
                           Loader& arch_loader, std::uint32_t seed) {
  const LoaderPosition weight_position = weight_loader.position();
  const LoaderPosition arch_position = arch_loader.position();
  const Rng rng(seed, RngPurpose::kCalibration);
  MeasuredSteps measured;
  for (int i = 0; i < kWarmSteps + kTimedSteps; ++i) {
    const Path path = supernet.SamplePath(rng, static_cast<std::uint64_t>(i));
    const bool counts = i >= kWarmSteps;
    const Timer weight_timer;
    const Batch batch = weight_loader.Next();
    RunWeightStep(context, supernet, path, batch.images, batch.labels, 0,
                  {.norm = NormMode::kBatchFrozen});
    if (counts) measured.weight_seconds += weight_timer.seconds() / kTimedSteps;
    for (ParameterSlab* slab : supernet.Slabs(path)) slab->DropGradients();

    const Timer arch_timer;
    const Batch arch_batch = arch_loader.Next();
    std::vector<GateGradients> gates(path.size());
    RunArchitectureStep(context, supernet, path, arch_batch.images, arch_batch.labels, gates);
    if (counts) measured.architecture_seconds += arch_timer.seconds() / kTimedSteps;
  }
  weight_loader.Seek(weight_position);
  arch_loader.Seek(arch_position);
  return measured;
}

PhaseSeconds EstimateSeconds(const MeasuredSteps& steps, const Recipe& recipe,
                             std::int64_t batches_per_epoch, std::int64_t max_steps,
                             double profile_seconds, int networks) {
  const auto bounded = [&](int epochs) {
    const std::int64_t planned = epochs * batches_per_epoch;
    return static_cast<double>(max_steps > 0 ? std::min(planned, max_steps) : planned);
  };
  const double search_steps = bounded(recipe.search_epochs);
  const double arch_steps =
      std::max(0.0,
               search_steps - static_cast<double>(recipe.arch_start_epoch * batches_per_epoch)) /
      recipe.arch_every;
  PhaseSeconds seconds;
  seconds.profile = profile_seconds;
  seconds.warmup = steps.weight_seconds * bounded(recipe.warmup_epochs);
  seconds.search = steps.weight_seconds * search_steps + steps.architecture_seconds * arch_steps;
  seconds.train = networks * steps.weight_seconds * bounded(recipe.train_epochs);
  seconds.total = seconds.profile + WorkSeconds(seconds);
  return seconds;
}

Recipe FitToBudget(const Recipe& recipe, double seconds,
                   const std::function<PhaseSeconds(const Recipe&)>& estimate) {
  const double shortest = WorkSeconds(estimate(Scaled(recipe, 0)));
  NAS_CHECK(shortest <= seconds, "time budget: one epoch of each phase takes about ",
            std::ceil(shortest), " s more; only ", std::floor(std::max(seconds, 0.0)),
            " s are left");
  // Whole epochs make the time a staircase in the factor: bisect for the largest that fits.
  double low = 0;
  double high = 1;
  while (WorkSeconds(estimate(Scaled(recipe, high))) <= seconds && high < 64) high *= 2;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (WorkSeconds(estimate(Scaled(recipe, middle))) <= seconds ? low : high) = middle;
  }
  return Scaled(recipe, low);
}

}  // namespace nasengine
