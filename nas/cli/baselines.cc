// SPDX-License-Identifier: MIT
#include "nas/cli/baselines.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "nas/space/counts.h"

namespace nasengine {
namespace {

constexpr double kRandomTolerance = 0.05;
constexpr int kRandomDraws = 100000;
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

// Knapsack over the blocks: best[t] is the largest MAC count of the blocks so far within t steps.
std::optional<BaselinePath> MostMacsWithin(const SearchSpace& space, const LatencyModel& model,
                                           double latency_ms) {
  const double budget_ms = latency_ms - model.fixed_ms();
  if (budget_ms <= 0) return std::nullopt;
  const std::vector<const ChoiceNode*> blocks = space.Choices();
  std::vector<std::int64_t> best(kLatencySteps + 1, 0);
  std::vector<std::vector<int>> taken(blocks.size(), std::vector<int>(kLatencySteps + 1, -1));
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    std::vector<std::int64_t> next(kLatencySteps + 1, -1);
    for (std::size_t k = 0; k < blocks[b]->candidates.size(); ++k) {
      const double share = model.Row(static_cast<int>(b))[k] / budget_ms;
      if (share > 1) continue;
      const int cost = static_cast<int>(std::ceil(share * kLatencySteps));
      const std::int64_t macs = CountLayer(blocks[b]->candidates[k]).macs;
      for (int t = cost; t <= kLatencySteps; ++t) {
        const std::int64_t before = best[static_cast<std::size_t>(t - cost)];
        if (before < 0 || before + macs <= next[static_cast<std::size_t>(t)]) continue;
        next[static_cast<std::size_t>(t)] = before + macs;
        taken[b][static_cast<std::size_t>(t)] = static_cast<int>(k);
      }
    }
    best = std::move(next);
  }
  if (best.back() < 0) return std::nullopt;
  Path path(blocks.size());
  int left = kLatencySteps;
  for (std::size_t b = blocks.size(); b-- > 0;) {
    path[b] = taken[b][static_cast<std::size_t>(left)];
    const double share =
        model.Row(static_cast<int>(b))[static_cast<std::size_t>(path[b])] / budget_ms;
    left -= static_cast<int>(std::ceil(share * kLatencySteps));
  }
  return BaselinePath{.kind = "most MACs within", .path = path};
}

std::optional<BaselinePath> RandomNear(const SearchSpace& space, const LatencyModel& model,
                                       double latency_ms, std::uint32_t seed) {
  const Rng rng(seed, RngPurpose::kBaselines);
  const std::vector<const ChoiceNode*> blocks = space.Choices();
  for (int draw = 0; draw < kRandomDraws; ++draw) {
    Path path;
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const auto candidates = static_cast<std::uint32_t>(blocks[b]->candidates.size());
      path.push_back(static_cast<int>(rng.Below(candidates, static_cast<std::uint64_t>(draw), b)));
    }
    if (std::abs(model.PathMs(path) - latency_ms) <= kRandomTolerance * latency_ms) {
      return BaselinePath{.kind = "random within 5 %", .path = path};
    }
  }
  return std::nullopt;
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
