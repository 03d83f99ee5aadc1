// SPDX-License-Identifier: MIT
#include "nas/search/searcher_factory.h"

#include <string>

#include "nas/search/darts_searcher.h"
#include "nas/search/gradient_searcher.h"
#include "nas/search/random_searcher.h"
#include "nas/search/reinforce_searcher.h"
#include "nas/search/two_path_searcher.h"

namespace nasengine {
namespace {

std::int64_t HeldOutImages(const Recipe& recipe) {
  return recipe.arch_batch > 0 ? recipe.arch_batch : recipe.batch;
}

ArchitectureSteps GradientSteps(const Recipe& recipe) {
  return {.count = 1,
          .per_weight_steps = recipe.arch_every,
          .images = HeldOutImages(recipe),
          .alpha_lr = recipe.alpha_lr};
}

constexpr ArchitectureKnobs kGradientKnobs = {.alpha_lr = "alpha_lr",
                                              .more_steps = "a smaller --arch-every",
                                              .more_images = "a larger arch_batch",
                                              .latency = "latency_weight"};

ArchitectureSteps RewardSteps(const Recipe& recipe) {
  return {.count = recipe.rl_updates_per_epoch,
          .images = recipe.rl_batch,
          .alpha_lr = recipe.rl_alpha_lr,
          .paths = recipe.rl_samples};
}

constexpr ArchitectureKnobs kRewardKnobs = {
    .alpha_lr = "rl_alpha_lr",
    .more_steps = "a larger rl_updates_per_epoch",
    .more_images = "a larger rl_batch or rl_samples",
    .latency = "rl_latency_exponent (latency_weight with add-linear)"};

ArchitectureSteps NoSteps(const Recipe& recipe) { return {.images = HeldOutImages(recipe)}; }

AdamOptions AlphaAdam(const Recipe& recipe) {
  return {.beta1 = static_cast<float>(recipe.alpha_beta1),
          .beta2 = static_cast<float>(recipe.alpha_beta2),
          .epsilon = static_cast<float>(recipe.alpha_epsilon),
          .weight_decay = static_cast<float>(recipe.alpha_weight_decay)};
}

template <class GradientBased>
std::unique_ptr<Searcher> MakeGradientBased(const SearcherParts& parts) {
  const double smallest_ms = parts.latency == nullptr ? 0 : parts.latency->SmallestReachableMs();
  return std::make_unique<GradientBased>(
      parts.supernet, parts.latency, Objective(parts.objective, smallest_ms),
      GradientSearcherConfig{
          .seed = parts.seed, .alpha_lr = parts.recipe.alpha_lr, .adam = AlphaAdam(parts.recipe)});
}

std::unique_ptr<Searcher> MakeReinforce(const SearcherParts& parts) {
  const Reward reward({.kind = parts.objective.kind,
                       .latency_exponent = parts.recipe.rl_latency_exponent,
                       .lambda = parts.objective.lambda,
                       .reference_ms = parts.objective.reference_ms,
                       .cost = parts.objective.cost});
  return std::make_unique<ReinforceSearcher>(
      parts.supernet, parts.latency, reward,
      ReinforceConfig{.seed = parts.seed,
                      .samples = parts.recipe.rl_samples,
                      .baseline_weight = parts.recipe.rl_baseline_weight,
                      .alpha_lr = parts.recipe.rl_alpha_lr,
                      .adam = AlphaAdam(parts.recipe)});
}

std::unique_ptr<Searcher> MakeRandom(const SearcherParts& parts) {
  NAS_CHECK(parts.objective.kind == ObjectiveKind::kNone, "random: found objective ",
            Name(parts.objective.kind),
            ", expected none: paths within the reference latency are compared by accuracy alone");
  RandomSearcherConfig config{.seed = parts.seed, .samples = parts.recipe.random_samples};
  if (parts.latency != nullptr) config.latency_limit_ms = parts.objective.reference_ms;
  return std::make_unique<RandomSearcher>(parts.supernet, parts.latency, config);
}

template <class GradientBased>
constexpr SearchAlgorithm GradientRow() {
  return {.name = GradientBased::kName,
          .default_objective = ObjectiveKind::kAddLinear,
          .steps = GradientBased::kSteps,
          .architecture_steps = GradientSteps,
          .knobs = kGradientKnobs,
          .make = MakeGradientBased<GradientBased>};
}

constexpr SearchAlgorithm kAlgorithms[] = {
    GradientRow<GradientSearcher>(),
    GradientRow<TwoPathSearcher>(),
    {ReinforceSearcher::kName, ObjectiveKind::kMulLog, ReinforceSearcher::kSteps, RewardSteps,
     kRewardKnobs, MakeReinforce},
    GradientRow<DartsSearcher>(),
    {RandomSearcher::kName, ObjectiveKind::kNone, RandomSearcher::kSteps, NoSteps, {}, MakeRandom},
};

}  // namespace

std::vector<std::string_view> AlgorithmNames() {
  std::vector<std::string_view> names;
  for (const SearchAlgorithm& algorithm : kAlgorithms) names.push_back(algorithm.name);
  return names;
}

std::string AlgorithmList() {
  std::string list;
  for (const std::string_view name : AlgorithmNames()) {
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  return list;
}

std::vector<SizedStep> SearchSteps(const SearchAlgorithm& algorithm, const Recipe& recipe) {
  const std::int64_t held_out = algorithm.architecture_steps(recipe).images;
  std::vector<SizedStep> steps;
  for (const PlannedStep step : algorithm.steps) {
    steps.push_back({step, steps.empty() ? recipe.batch : held_out});
  }
  return steps;
}

const SearchAlgorithm& FindAlgorithm(std::string_view name) {
  for (const SearchAlgorithm& algorithm : kAlgorithms) {
    if (algorithm.name == name) return algorithm;
  }
  Throw(ErrorCode::kInvalidArgument, "algorithm: found '", name, "', accepted: ", AlgorithmList());
}

}  // namespace nasengine
