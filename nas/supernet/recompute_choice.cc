// SPDX-License-Identifier: MIT
#include "nas/supernet/recompute_choice.h"

#include <algorithm>
#include <functional>
#include <variant>
#include <vector>

#include "nas/space/counts.h"

namespace nasengine {
namespace {

// One thing more that a node computes again.
struct Change {
  std::size_t node = 0;
  Recompute from = Recompute::kNothing;
  Recompute to = Recompute::kNothing;
  double freed_per_mac = 0;  // numbers no longer kept for a multiply-add
};

// What a node keeps of an image, and what computing it takes, over its candidates.
struct NodeCost {
  double expanded = 0;
  double expand_macs = 0;
  double rest = 0;
  double rest_macs = 0;
};

std::span<const LayerDesc> LayersOf(const SpaceNode& node) {
  const auto* choice = std::get_if<ChoiceNode>(&node);
  if (choice != nullptr) return choice->candidates;
  return {&std::get<LayerDesc>(node), 1};
}

NodeCost CostOf(const SpaceNode& node) {
  NodeCost cost;
  for (const LayerDesc& layer : LayersOf(node)) {
    // Without an expansion a block is computed again in any case.
    if (layer.op != LayerOp::kMbconv || layer.expand == 1) continue;
    const auto middle = static_cast<double>(ExpandedChannels(layer));
    const auto pixels = static_cast<double>(layer.in.h * layer.in.w);
    const auto out_pixels = static_cast<double>(layer.out.h * layer.out.w);
    const double expand_macs = pixels * middle * static_cast<double>(layer.in.c);
    cost.expanded += pixels * middle;
    cost.expand_macs += expand_macs;
    cost.rest += out_pixels * (middle + static_cast<double>(layer.out.c));
    cost.rest_macs += static_cast<double>(CountLayer(layer).macs) - expand_macs;
  }
  return cost;
}

bool CanRecompute(const NodeCost& cost) { return cost.expanded > 0; }

// What frees most for its arithmetic comes first, a node's expansion before its rest.
std::vector<Change> OrderedChanges(std::span<const SpaceNode> nodes) {
  std::vector<Change> changes;
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    const NodeCost cost = CostOf(nodes[node]);
    if (!CanRecompute(cost)) continue;
    const double expansion = cost.expanded / cost.expand_macs;
    const double rest = std::min(expansion, cost.rest / cost.rest_macs);
    changes.push_back({node, Recompute::kNothing, Recompute::kExpand, expansion});
    changes.push_back({node, Recompute::kExpand, Recompute::kAll, rest});
  }
  std::ranges::stable_sort(changes, std::greater(), &Change::freed_per_mac);
  return changes;
}

}  // namespace

RecomputeChoice ChooseRecompute(
    std::span<const SpaceNode> nodes, std::int64_t budget_bytes,
    const std::function<std::int64_t(const RecomputePolicy&)>& peak_of) {
  const std::vector<Change> changes = OrderedChanges(nodes);
  const auto first = [&](std::size_t count) {
    RecomputeChoice choice{.policy = RecomputePolicy(nodes.size(), Recompute::kNothing)};
    for (std::size_t i = 0; i < count; ++i) choice.policy[changes[i].node] = changes[i].to;
    choice.peak_bytes = peak_of(choice.policy);
    return choice;
  };
  std::size_t too_few = 0;
  RecomputeChoice choice = first(too_few);
  if (choice.peak_bytes <= budget_bytes) return choice;
  std::size_t enough = changes.size();
  choice = first(enough);
  if (choice.peak_bytes > budget_bytes) return choice;
  while (enough - too_few > 1) {
    const std::size_t middle = (too_few + enough) / 2;
    RecomputeChoice tried = first(middle);
    if (tried.peak_bytes <= budget_bytes) {
      enough = middle;
      choice = std::move(tried);
    } else {
      too_few = middle;
    }
  }
  // The last one was needed; the peak may have been elsewhere than where one before it frees.
  for (std::size_t i = enough - 1; i-- > 0;) {
    const Change& change = changes[i];
    if (choice.policy[change.node] != change.to) continue;
    RecomputeChoice tried{.policy = choice.policy};
    tried.policy[change.node] = change.from;
    tried.peak_bytes = peak_of(tried.policy);
    if (tried.peak_bytes <= budget_bytes) choice = std::move(tried);
  }
  return choice;
}

RecomputedBlocks CountRecomputed(std::span<const SpaceNode> nodes, const RecomputePolicy& policy) {
  const ComputeOptions options{.recompute = policy};
  RecomputedBlocks counts;
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    if (!CanRecompute(CostOf(nodes[node]))) continue;
    ++counts.blocks;
    counts.expansions += options.RecomputeOf(node) == Recompute::kExpand;
    counts.wholes += options.RecomputeOf(node) == Recompute::kAll;
  }
  return counts;
}

}  // namespace nasengine
