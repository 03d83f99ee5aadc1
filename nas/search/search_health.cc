// SPDX-License-Identifier: MIT
#include "nas/search/search_health.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

// A candidate whose weights have moved this often has seen two memories of the optimiser's
// momentum, 1 / (1 - 0.9) steps each: below it, its gate gradient judges random weights.
constexpr std::int64_t kFewestVisits = 20;
constexpr double kFrozenProbability = 0.99;
// A search that decides has lost more than this share of its entropy when it ends. Entropy falls
// with the square of the way that the alphas have gone, so an even drift has lost a quarter of that
// halfway.
constexpr double kEntropyDrop = 0.05;
constexpr double kEntropyDropAtHalf = kEntropyDrop / 4;
// Architecture steps from which on statistics tell anything.
constexpr std::int64_t kFewestSteps = 30;
// Standard errors within which a number cannot be told from chance.
constexpr double kSurely = 3;
// Of the cross-entropy of guessing: below it the supernet has learned, and its loss may rest. Label
// noise keeps a good loss close to guessing: 30 % wrong labels in two classes cost 88 % of it.
constexpr double kLearnedLoss = 0.9;
// Of the planned architecture steps, those whose loss tells how the search stands.
constexpr std::int64_t kRecentShare = 10;

std::vector<std::vector<float>> AlphasOf(const std::vector<BinaryGate>& gates) {
  std::vector<std::vector<float>> alphas;
  for (const BinaryGate& gate : gates)
    alphas.emplace_back(gate.alpha().begin(), gate.alpha().end());
  return alphas;
}

// Three decimals are enough for people.
std::string Short(double value) { return StrCat(std::round(1000 * value) / 1000); }

}  // namespace

SearchHealth::SearchHealth(const SearchSpace& space, const std::vector<BinaryGate>& gates,
                           std::int64_t architecture_steps, const ArchitectureKnobs& knobs,
                           Sink warn)
    : blocks_(space.Choices()),
      gates_(gates),
      classes_(space.classes),
      planned_steps_(architecture_steps),
      momentum_(space.recipe.alpha_beta1),
      knobs_(knobs),
      warn_(std::move(warn)),
      first_alphas_(AlphasOf(gates)),
      last_alphas_(first_alphas_),
      first_entropy_(MeanEntropy(gates)),
      recent_loss_(std::max(kFewestSteps, architecture_steps / kRecentShare)) {
  NAS_CHECK(space.Gates().size() == gates.size(), "search health: ", gates.size(),
            " gates, the space has ", space.Gates().size());
  for (const ChoiceNode* block : blocks_) {
    visits_.emplace_back(block->candidates.size());
    expected_.emplace_back(block->candidates.size());
  }
  FindStages();
}

const BinaryGate& SearchHealth::GateOf(std::size_t block) const {
  return gates_[static_cast<std::size_t>(blocks_[block]->gate)];
}

std::string SearchHealth::NameOf(std::size_t block, int candidate) const {
  return CandidateName(blocks_[block]->candidates[static_cast<std::size_t>(candidate)]);
}

bool SearchHealth::IsZero(std::size_t block, int candidate) const {
  return blocks_[block]->candidates[static_cast<std::size_t>(candidate)].op == LayerOp::kZero;
}

bool SearchHealth::AllFavourZero(std::span<const int> blocks) const {
  return std::all_of(blocks.begin(), blocks.end(), [&](int index) {
    const auto block = static_cast<std::size_t>(index);
    const int best = GateOf(block).Best();
    return IsZero(block, best) &&
           GateOf(block).Probabilities()[static_cast<std::size_t>(best)] > 0.5;
  });
}

// Blocks that follow one another with one size at their outputs. A stage of which a single block
// can be skipped is as well without it.
void SearchHealth::FindStages() {
  for (std::size_t first = 0, end = 0; first < blocks_.size(); first = end) {
    Stage stage;
    for (; end < blocks_.size() &&
           blocks_[end]->candidates[0].out == blocks_[first]->candidates[0].out;
         ++end) {
      if (CanBeSkipped(*blocks_[end])) stage.skippable.push_back(static_cast<int>(end));
    }
    skippable_.insert(skippable_.end(), stage.skippable.begin(), stage.skippable.end());
    stage.blocks = StrCat(blocks_[first]->name, " to ", blocks_[end - 1]->name);
    if (stage.skippable.size() >= 2) stages_.push_back(std::move(stage));
  }
}

void SearchHealth::AfterWeightStep(std::span<const int> path) {
  // The visits are read once, before the first architecture step.
  if (architecture_steps_ > 0) return;
  ++weight_steps_;
  for (std::size_t block = 0; block < blocks_.size(); ++block) {
    const std::vector<double> p =
        path.empty() ? std::vector<double>{} : GateOf(block).Probabilities();
    for (std::size_t k = 0; k < visits_[block].size(); ++k) {
      visits_[block][k] += path.empty() || static_cast<std::size_t>(path[block]) == k ? 1 : 0;
      expected_[block][k] += path.empty() ? 1 : p[k];
    }
  }
}

void SearchHealth::AfterArchitectureStep(double cross_entropy) {
  if (architecture_steps_ == 0) CheckVisits();
  ++architecture_steps_;
  loss_.Add(cross_entropy);
  recent_loss_.Add(cross_entropy);
  for (std::size_t gate = 0; gate < gates_.size(); ++gate) {
    const std::span<const float> alpha = gates_[gate].alpha();
    for (std::size_t k = 0; k < alpha.size(); ++k) {
      const double update = double{alpha[k]} - last_alphas_[gate][k];
      squared_updates_ += update * update;
      last_alphas_[gate][k] = alpha[k];
    }
  }
  const bool first_half = 2 * architecture_steps_ < planned_steps_;
  if (first_half) {
    CheckFrozen();
    return;
  }
  CheckStages();
  // Judged twice: while there is time to stop, and when all is done.
  const bool at_half = 2 * (architecture_steps_ - 1) < planned_steps_;
  if (!at_half && architecture_steps_ != planned_steps_) return;
  CheckEntropy();
  if (architecture_steps_ < kFewestSteps) return;
  CheckMovement();
  CheckLoss();
}

void SearchHealth::Finish() {
  if (architecture_steps_ == 0) CheckVisits();
}

void SearchHealth::CheckVisits() {
  std::int64_t starved = 0;
  std::int64_t least = kFewestVisits;
  std::string example;
  for (std::size_t block = 0; block < blocks_.size(); ++block) {
    for (std::size_t k = 0; k < visits_[block].size(); ++k) {
      const auto candidate = static_cast<int>(k);
      const std::int64_t visits = visits_[block][k];
      if (IsZero(block, candidate) || visits >= kFewestVisits) continue;
      ++starved;
      if (visits >= least) continue;
      least = visits;
      example = StrCat(blocks_[block]->name, "'s ", NameOf(block, candidate), " in ", visits,
                       " of ", weight_steps_, " (expected ", Short(expected_[block][k]), ")");
    }
  }
  if (starved == 0) return;
  Warn("starved-candidate",
       StrCat(starved, " candidates were trained in fewer than ", kFewestVisits,
              " weight steps before they are judged, ", example),
       "their scores are those of nearly random weights: use more --warmup-epochs, a smaller "
       "--batch or fewer candidates");
}

void SearchHealth::CheckFrozen() {
  for (std::size_t block = 0; block < blocks_.size(); ++block) {
    const int best = GateOf(block).Best();
    const double p = GateOf(block).Probabilities()[static_cast<std::size_t>(best)];
    if (p <= kFrozenProbability) continue;
    Warn(
        "frozen-early",
        StrCat(blocks_[block]->name, " draws ", NameOf(block, best), " with ", Short(100 * p), " %",
               " after ", architecture_steps_, " of ", planned_steps_, " architecture steps"),
        StrCat("the other candidates no longer get a chance: lower ", knobs_.alpha_lr,
               ", or use more --warmup-epochs"));
  }
}

// One stage without its blocks is an ordinary result, as published networks have it. A space of a
// single stage has no other that could make up for it.
void SearchHealth::CheckStages() {
  std::vector<std::string> vanishing;
  for (const Stage& stage : stages_) {
    if (AllFavourZero(stage.skippable)) vanishing.push_back(stage.blocks);
  }
  const bool is_all = skippable_.size() >= 2 && AllFavourZero(skippable_);
  if (vanishing.size() < 2 && !is_all) return;
  std::string where;
  if (!is_all) {
    for (const std::string& blocks : vanishing)
      where += StrCat(where.empty() ? " in " : " and in ", blocks);
  }
  Warn("stage-all-zero",
       StrCat("all ", is_all ? StrCat(skippable_.size(), " ") : "", "blocks that can be skipped",
              where, " favour Zero after ", architecture_steps_, " of ", planned_steps_,
              " architecture steps"),
       StrCat("if that costs accuracy, lower ", knobs_.latency,
              ", raise --reference-latency, or use more --warmup-epochs"));
}

void SearchHealth::CheckEntropy() {
  const double entropy = MeanEntropy(gates_);
  const bool is_over = architecture_steps_ == planned_steps_;
  const double drop = is_over ? kEntropyDrop : kEntropyDropAtHalf;
  if (entropy <= (1 - drop) * first_entropy_) return;
  Warn("entropy-flat",
       StrCat("the choices are nearly as open as at the start, entropy ", Short(entropy), " of ",
              Short(first_entropy_), " after ", architecture_steps_, " of ", planned_steps_,
              " architecture steps"),
       StrCat("an alpha moves by about ", knobs_.alpha_lr, " a step: raise ", knobs_.alpha_lr,
              ", use more --epochs or ", knobs_.more_steps));
}

void SearchHealth::CheckMovement() {
  double squared_way = 0;
  std::size_t alphas = 0;
  for (std::size_t gate = 0; gate < gates_.size(); ++gate) {
    for (std::size_t k = 0; k < last_alphas_[gate].size(); ++k) {
      const double way = double{last_alphas_[gate][k]} - first_alphas_[gate][k];
      squared_way += way * way;
    }
    // The mean of a gate's alphas changes nothing.
    alphas += last_alphas_[gate].size() - 1;
  }
  if (squared_updates_ == 0) return;
  const double ratio = squared_way / squared_updates_;
  // Momentum makes a step resemble the one before it, agreement among gradients or not.
  const double by_momentum = (1 + momentum_) / (1 - momentum_);
  const double by_chance =
      by_momentum * (1 + kSurely * std::sqrt(2.0 / static_cast<double>(alphas)));
  if (ratio > by_chance) return;
  Warn("alphas-on-noise",
       StrCat("after ", architecture_steps_, " of ", planned_steps_,
              " architecture steps the alphas are where random steps would have taken them: "
              "squared way over squared steps ",
              Short(ratio), ", by chance up to ", Short(by_chance)),
       StrCat("the updates disagree from step to step: use ", knobs_.more_images, ", a smaller ",
              knobs_.alpha_lr, ", or more --warmup-epochs"));
}

void SearchHealth::CheckLoss() {
  const double guessing = std::log(static_cast<double>(classes_));
  const double recent = recent_loss_.mean();
  // A line may fall through a loss that fell first and went up at the end.
  const bool falls = loss_.Significance() < -kSurely && recent < loss_.mean();
  if (falls || recent <= kLearnedLoss * guessing) return;
  Warn("loss-not-falling",
       StrCat("the cross-entropy on held-out images does not fall: recent mean ", Short(recent),
              " after ", architecture_steps_, " of ", planned_steps_,
              " architecture steps, guessing has ", Short(guessing)),
       "the weights do not learn: check data and labels, change search_lr, or use more "
       "--warmup-epochs");
}

void SearchHealth::Warn(std::string_view name, const std::string& finding,
                        const std::string& advice) {
  if (std::find(warned_.begin(), warned_.end(), name) != warned_.end()) return;
  warned_.push_back(name);
  warn_({.name = name, .finding = finding, .advice = advice});
}

}  // namespace nasengine
