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
  scaled.train_warmup_epochs = static_cast<int>(std::floor(recipe.train_warmup_epochs * factor));
  // An architecture step must remain possible.
  scaled.arch_start_epoch =
      std::clamp(recipe.arch_start_epoch, 0, std::max(0, scaled.search_epochs - 1));
  const int updates = recipe.search_epochs - recipe.arch_start_epoch;
  const int fewer = scaled.search_epochs - scaled.arch_start_epoch;
  if (updates > 0 && fewer > 0) {
    scaled.alpha_lr = recipe.alpha_lr * updates / fewer;
    scaled.rl_alpha_lr = recipe.rl_alpha_lr * updates / fewer;
  }
  return scaled;
}

// Counts the paths that a searcher would score.
class PathCounter final : public PathScorer {
 public:
  double Top1(std::span<const int> /*path*/) override {
    ++paths_;
    return 0;
  }
  bool stopped() const override { return false; }
  std::int64_t paths() const { return paths_; }

 private:
  std::int64_t paths_ = 0;
};

template <class Work>
double Seconds(const Work& work) {
  const Timer timer;
  work();
  return timer.seconds();
}

// Weight steps that change nothing.
void TryWeightStep(Context& context, const Supernet& supernet, const Path& path,
                   const Batch& batch) {
  RunWeightStep(context, supernet, path, batch.images, batch.labels, 0,
                {.norm = NormMode::kBatchFrozen});
  for (ParameterSlab* slab : supernet.Slabs(path)) slab->DropGradients();
}

void TryAllPathsStep(Context& context, const Supernet& supernet, const Batch& batch) {
  RunAllPathsStep(context, supernet, batch.images, batch.labels, 0,
                  {.norm = NormMode::kBatchFrozen});
  for (ParameterSlab* slab : supernet.Slabs()) slab->DropGradients();
}

}  // namespace

MeasuredSteps MeasureSteps(Context& context, Supernet& supernet, Searcher& searcher,
                           const SearchSchedule& schedule, Loader& weight_loader,
                           Loader& arch_loader,
                           const std::function<Path(std::uint64_t step)>& derived) {
  const LoaderPosition weight_position = weight_loader.position();
  const LoaderPosition arch_position = arch_loader.position();
  const std::vector<BinaryGate> gates = supernet.gates();
  const Rng rng(0, RngPurpose::kCalibration);
  PathCounter counter;
  searcher.Choose(counter);
  MeasuredSteps measured{.scored_paths = counter.paths()};
  double forward_seconds = 0;
  for (int i = 0; i < kWarmSteps + kTimedSteps; ++i) {
    const auto step = static_cast<std::uint64_t>(i);
    const double share = i < kWarmSteps ? 0 : 1.0 / kTimedSteps;
    const Batch weight_batch = weight_loader.Next();
    const std::optional<Path> drawn = searcher.WeightPath(step);
    const Path path = drawn ? *drawn : supernet.SamplePath(rng, step);
    measured.weight_seconds += share * Seconds([&] {
                                 if (drawn) {
                                   TryWeightStep(context, supernet, path, weight_batch);
                                 } else {
                                   TryAllPathsStep(context, supernet, weight_batch);
                                 }
                               });
    const Path trained = derived(step);
    measured.training_seconds +=
        share * Seconds([&] { TryWeightStep(context, supernet, trained, weight_batch); });
    const Batch arch_batch = arch_loader.Next();
    if (schedule.architecture_steps() > 0) {
      measured.architecture_seconds +=
          share * Seconds([&] { searcher.ArchitectureStep(context, arch_batch, step); });
    }
    forward_seconds +=
        share * Seconds([&] {
          RunForwardStep(context, supernet, path, arch_batch.images, arch_batch.labels);
        });
  }
  measured.evaluation_seconds =
      forward_seconds * static_cast<double>(arch_loader.batches_per_epoch());
  supernet.gates() = gates;
  weight_loader.Seek(weight_position);
  arch_loader.Seek(arch_position);
  return measured;
}

PhaseSeconds EstimateSeconds(const MeasuredSteps& measured, const SearchSchedule& schedule,
                             const OtherWork& other) {
  PhaseSeconds seconds;
  seconds.profile = other.profile_seconds;
  seconds.warmup = measured.weight_seconds * static_cast<double>(schedule.warmup_steps());
  seconds.search =
      measured.weight_seconds * static_cast<double>(schedule.search_steps()) +
      measured.architecture_seconds * static_cast<double>(schedule.architecture_steps()) +
      measured.evaluation_seconds * static_cast<double>(measured.scored_paths + other.validations);
  seconds.train = measured.training_seconds * static_cast<double>(other.training_steps);
  seconds.total = seconds.profile + WorkSeconds(seconds);
  return seconds;
}

Recipe FitToBudget(const Recipe& recipe, double seconds,
                   const std::function<PhaseSeconds(const Recipe&)>& estimate) {
  const double shortest = WorkSeconds(estimate(Scaled(recipe, 0)));
  NAS_CHECK(shortest <= seconds, "time budget: one epoch of each phase takes about ",
            std::ceil(shortest), " s more; only ", std::floor(std::max(seconds, 0.0)),
            " s are left; raise --time-budget, narrow the space with --width or bound the steps "
            "with --max-steps");
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
