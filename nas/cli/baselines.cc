// SPDX-License-Identifier: MIT
#include "nas/cli/baselines.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "nas/search/path_sampler.h"
#include "nas/space/counts.h"

namespace nasengine {
namespace {

constexpr double kRandomTolerance = 0.05;
constexpr std::uint64_t kRandomDraws = 100000;
// Latency is cut into this many steps of the budget, each candidate rounded up, so that the network
// found never exceeds it.
constexpr int kLatencySteps = 4096;

std::optional<BaselinePath> UniformBelow(const SearchSpace& space, const LatencyModel& model,
                                         double latency_ms) {
  std::optional<BaselinePath> best;
  double best_ms = 0;
  for (const LayerDesc& candidate : space.Choices().front()->candidates) {
    if (candidate.op == LayerOp::kZero) continue;
    const std::string name = CandidateName(candidate);
    Path path;
    for (const ChoiceNode* node : space.Choices()) path.push_back(FindCandidate(*node, name));
    if (std::ranges::find(path, -1) != path.end()) continue;
    const double ms = model.PathMs(path);
    if (ms > latency_ms || ms <= best_ms) continue;
    best_ms = ms;
    best = BaselinePath{.kind = "uniform " + name, .path = path};
  }
  return best;
}

// A candidate taken in every block of a gate.
struct GateChoice {
  double latency_ms = 0;
  std::int64_t macs = 0;
};

std::vector<std::vector<GateChoice>> GateChoices(const SearchSpace& space,
                                                 const LatencyModel& model) {
  const std::vector<const ChoiceNode*> nodes = space.Choices();
  std::vector<std::vector<GateChoice>> gates;
  for (const std::vector<int>& blocks : space.Gates()) {
    std::vector<GateChoice> choices;
    for (const double ms : model.GateRow(static_cast<int>(gates.size()))) {
      choices.push_back({.latency_ms = ms});
    }
    for (const int block : blocks) {
      const ChoiceNode& node = *nodes[static_cast<std::size_t>(block)];
      for (std::size_t k = 0; k < choices.size(); ++k) {
        choices[k].macs += CountLayer(node.candidates[k]).macs;
      }
    }
    gates.push_back(std::move(choices));
  }
  return gates;
}

// Knapsack over the gates: best[t] is the largest MAC count of the gates so far within t steps.
std::optional<BaselinePath> MostMacsWithin(const SearchSpace& space, const LatencyModel& model,
                                           double latency_ms) {
  const double budget_ms = latency_ms - model.fixed_ms();
  if (budget_ms <= 0) return std::nullopt;
  const auto steps_of = [&](const GateChoice& choice) {
    return static_cast<int>(
        std::ceil(std::min(choice.latency_ms / budget_ms, 2.0) * kLatencySteps));
  };
  const std::vector<std::vector<GateChoice>> gates = GateChoices(space, model);
  std::vector<std::int64_t> best(kLatencySteps + 1, 0);
  std::vector<std::vector<int>> taken(gates.size(), std::vector<int>(kLatencySteps + 1, -1));
  for (std::size_t g = 0; g < gates.size(); ++g) {
    std::vector<std::int64_t> next(kLatencySteps + 1, -1);
    for (std::size_t k = 0; k < gates[g].size(); ++k) {
      const int cost = steps_of(gates[g][k]);
      for (int t = cost; t <= kLatencySteps; ++t) {
        const std::int64_t before = best[static_cast<std::size_t>(t - cost)];
        const std::int64_t macs = before + gates[g][k].macs;
        if (before < 0 || macs <= next[static_cast<std::size_t>(t)]) continue;
        next[static_cast<std::size_t>(t)] = macs;
        taken[g][static_cast<std::size_t>(t)] = static_cast<int>(k);
      }
    }
    best = std::move(next);
  }
  if (best.back() < 0) return std::nullopt;
  std::vector<int> of_gate(gates.size());
  int left = kLatencySteps;
  for (std::size_t g = gates.size(); g-- > 0;) {
    of_gate[g] = taken[g][static_cast<std::size_t>(left)];
    left -= steps_of(gates[g][static_cast<std::size_t>(of_gate[g])]);
  }
  return BaselinePath{.kind = "most MACs within", .path = PathOfGates(space, of_gate)};
}

std::optional<BaselinePath> RandomNear(const SearchSpace& space, const LatencyModel& model,
                                       double latency_ms, std::uint32_t seed) {
  const Rng rng(seed, RngPurpose::kBaselines);
  const PathSampler near(space, model, (1 - kRandomTolerance) * latency_ms,
                         (1 + kRandomTolerance) * latency_ms);
  std::optional<Path> path = near.FirstOf(rng, 0, kRandomDraws);
  if (!path) return std::nullopt;
  return BaselinePath{.kind = "random within 5 %", .path = *std::move(path)};
}

}  // namespace

std::vector<BaselinePath> BaselinePaths(const SearchSpace& space, const LatencyModel& model,
                                        double latency_ms, std::uint32_t seed) {
  std::vector<BaselinePath> paths;
  for (std::optional<BaselinePath> found :
       {UniformBelow(space, model, latency_ms), MostMacsWithin(space, model, latency_ms),
        RandomNear(space, model, latency_ms, seed)}) {
    if (found.has_value()) paths.push_back(*std::move(found));
  }
  return paths;
}

}  // namespace nasengine
