// SPDX-License-Identifier: MIT
#include "bench/memory_cases.h"

#include "bench/kept_bytes.h"
#include "kernels/core/rng.h"

namespace nasengine {
namespace {

constexpr std::uint32_t kSeed = 1;

Path DrawnPath(const SearchSpace& space, int draw) {
  const Rng rng(kSeed, RngPurpose::kGates);
  Path path;
  for (const ChoiceNode* choice : space.Choices()) {
    path.push_back(static_cast<int>(rng.Below(static_cast<std::uint32_t>(choice->candidates.size()),
                                              static_cast<std::uint64_t>(draw), path.size())));
  }
  return path;
}

MemoryPlan Mean(std::span<const MemoryPlan> plans) {
  const auto mean = [&](std::int64_t MemoryPlan::*part) {
    std::int64_t sum = 0;
    for (const MemoryPlan& plan : plans) sum += plan.*part;
    return sum / static_cast<std::int64_t>(plans.size());
  };
  return {.weights = mean(&MemoryPlan::weights),
          .gradients = mean(&MemoryPlan::gradients),
          .optimizer = mean(&MemoryPlan::optimizer),
          .activations = mean(&MemoryPlan::activations),
          .workspace = mean(&MemoryPlan::workspace),
          .data = mean(&MemoryPlan::data),
          .peak = mean(&MemoryPlan::peak)};
}

class CasePlanner {
 public:
  CasePlanner(const SearchSpace& space, const KernelRegistry& registry, const CaseOptions& options)
      : space_(space), registry_(registry), options_(options) {}

  // The mean over `paths`; a step of all paths takes any one.
  MemoryCase Along(const SearchStep& step, CasePath kind, std::span<const Path> paths) const {
    std::vector<MemoryPlan> plans;
    std::int64_t kept = 0;
    for (const Path& path : paths) {
      plans.push_back(PlanStep(space_, path, registry_,
                               {.batch = options_.batch,
                                .dtype = options_.dtype,
                                .step = step.planned,
                                .threads = options_.threads,
                                .policy = options_.policy,
                                .device = options_.device,
                                .data_bytes = 0}));
      kept += KeptBytes(space_, step.planned, path, options_.batch, options_.dtype);
    }
    return {.step = step,
            .path = kind,
            .planned = Mean(plans),
            .kept_bytes = kept / static_cast<std::int64_t>(paths.size())};
  }

 private:
  const SearchSpace& space_;
  const KernelRegistry& registry_;
  const CaseOptions& options_;
};

double Share(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

const char* NameOf(CasePath path) {
  switch (path) {
    case CasePath::kLargest:
      return "largest";
    case CasePath::kMean:
      return "mean";
    case CasePath::kAll:
      break;
  }
  return "all";
}

std::size_t MostCandidates(const SearchSpace& space) {
  std::size_t most = 0;
  for (const ChoiceNode* choice : space.Choices()) most = std::max(most, choice->candidates.size());
  return most;
}

SearchSpace WithCandidates(const SearchSpace& space, int candidates) {
  SearchSpace shorter = space;
  for (SpaceNode& node : shorter.nodes) {
    if (auto* choice = std::get_if<ChoiceNode>(&node)) {
      if (static_cast<int>(choice->candidates.size()) > candidates) {
        choice->candidates.resize(static_cast<std::size_t>(candidates));
      }
    }
  }
  return shorter;
}

std::vector<MemoryCase> PlanCases(const SearchSpace& space, const KernelRegistry& registry,
                                  const CaseOptions& options) {
  const std::vector<Path> largest{MostKeepingPath(space)};
  std::vector<Path> drawn;
  for (int draw = 0; draw < options.drawn_paths; ++draw) drawn.push_back(DrawnPath(space, draw));
  const CasePlanner planner(space, registry, options);
  std::vector<MemoryCase> cases;
  for (const SearchStep& step : kSearchSteps) {
    if (TakesAllPaths(step.planned)) {
      cases.push_back(planner.Along(step, CasePath::kAll, largest));
    } else {
      cases.push_back(planner.Along(step, CasePath::kLargest, largest));
      cases.push_back(planner.Along(step, CasePath::kMean, drawn));
    }
  }
  return cases;
}

const MemoryCase& FindCase(std::span<const MemoryCase> cases, const std::string& name,
                           CasePath path) {
  for (const MemoryCase& one : cases) {
    if (NameOf(one.step) == name && one.path == path) return one;
  }
  Throw(ErrorCode::kNotFound, "memory: no case '", name, "' along ", NameOf(path));
}

ShareOfAllPaths CompareWithAllPaths(std::span<const MemoryCase> cases) {
  const MemoryPlan& mean = FindCase(cases, "proxyless-g weights", CasePath::kMean).planned;
  const MemoryPlan& largest = FindCase(cases, "proxyless-g weights", CasePath::kLargest).planned;
  const MemoryPlan& all = FindCase(cases, "darts weights", CasePath::kAll).planned;
  return {.mean_activations = Share(mean.activations, all.activations),
          .largest_activations = Share(largest.activations, all.activations),
          .mean_peak = Share(mean.peak, all.peak),
          .largest_peak = Share(largest.peak, all.peak)};
}

}  // namespace nasengine
