// Counting, choosing and deriving in a search space.
// SPDX-License-Identifier: MIT
#include "nas/space/search_space.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "kernels/core/error.h"
#include "nas/space/counts.h"

namespace nasengine {
namespace {

// Decimal digits, least significant first, times a small number.
void Multiply(std::vector<int>& digits, int64_t factor) {
  int64_t carry = 0;
  for (int& digit : digits) {
    carry += digit * factor;
    digit = static_cast<int>(carry % 10);
    carry /= 10;
  }
  for (; carry > 0; carry /= 10) digits.push_back(static_cast<int>(carry % 10));
}

// The candidate at every gate that is better than the others in the counts of its blocks together.
// Never that of `except`, a path or nothing.
template <class Better>
std::vector<int> ExtremePath(const SearchSpace& space, std::span<const int> except, Better better) {
  const std::vector<const ChoiceNode*> choices = space.Choices();
  std::vector<int> of_gate;
  for (const std::vector<int>& blocks : space.Gates()) {
    const auto first = static_cast<size_t>(blocks.front());
    int best = -1;
    Counts best_counts;
    for (size_t k = 0; k < choices[first]->candidates.size(); ++k) {
      if (!except.empty() && static_cast<size_t>(except[first]) == k) continue;
      Counts counts;
      for (const int block : blocks) {
        const Counts one = CountLayer(choices[static_cast<size_t>(block)]->candidates[k]);
        counts = {counts.parameters + one.parameters, counts.macs + one.macs};
      }
      if (best >= 0 && !better(counts, best_counts)) continue;
      best = static_cast<int>(k);
      best_counts = counts;
    }
    of_gate.push_back(best);
  }
  return PathOfGates(space, of_gate);
}

std::vector<size_t> CandidatesOfGates(const SearchSpace& space) {
  const std::vector<const ChoiceNode*> choices = space.Choices();
  std::vector<size_t> candidates;
  for (const std::vector<int>& blocks : space.Gates()) {
    candidates.push_back(choices[static_cast<size_t>(blocks.front())]->candidates.size());
  }
  return candidates;
}

bool HasFewer(const Counts& a, const Counts& b) {
  return a.macs != b.macs ? a.macs < b.macs : a.parameters < b.parameters;
}

std::string CandidateList(const ChoiceNode& node) {
  std::string list;
  for (const LayerDesc& candidate : node.candidates) {
    list += (list.empty() ? "" : " ") + CandidateName(candidate);
  }
  return list;
}

}  // namespace

std::vector<const ChoiceNode*> SearchSpace::Choices() const {
  std::vector<const ChoiceNode*> choices;
  for (const SpaceNode& node : nodes) {
    if (const auto* choice = std::get_if<ChoiceNode>(&node)) choices.push_back(choice);
  }
  return choices;
}

int SearchSpace::searchable_blocks() const { return static_cast<int>(Choices().size()); }

std::vector<std::vector<int>> SearchSpace::Gates() const {
  std::vector<std::vector<int>> gates;
  int block = 0;
  for (const ChoiceNode* node : Choices()) {
    const auto gate = static_cast<size_t>(node->gate);
    if (gate >= gates.size()) gates.resize(gate + 1);
    gates[gate].push_back(block++);
  }
  return gates;
}

int SearchSpace::architecture_parameters() const {
  size_t count = 0;
  for (const size_t candidates : CandidatesOfGates(*this)) count += candidates;
  return static_cast<int>(count);
}

double SearchSpace::networks_log10() const {
  double sum = 0.0;
  for (const size_t candidates : CandidatesOfGates(*this)) {
    sum += std::log10(static_cast<double>(candidates));
  }
  return sum;
}

std::string SearchSpace::NetworkCount() const {
  std::vector<int> digits{1};
  for (const size_t candidates : CandidatesOfGates(*this)) {
    Multiply(digits, static_cast<int64_t>(candidates));
  }
  std::string text;
  std::transform(digits.rbegin(), digits.rend(), std::back_inserter(text),
                 [](int digit) { return static_cast<char>('0' + digit); });
  return text;
}

NetworkDesc Derive(const SearchSpace& space, std::span<const int> choice) {
  NAS_CHECK(choice.size() == static_cast<size_t>(space.searchable_blocks()), "space ", space.name,
            ": found a choice for ", choice.size(), " blocks, expected ",
            space.searchable_blocks());
  NetworkDesc network{.name = space.name,
                      .input = space.input,
                      .classes = space.classes,
                      .batch_norm = space.batch_norm,
                      .space = space.name,
                      .mean = space.recipe.mean,
                      .std = space.recipe.std};
  size_t block = 0;
  for (const SpaceNode& node : space.nodes) {
    if (const auto* fixed = std::get_if<LayerDesc>(&node)) {
      network.layers.push_back(*fixed);
      continue;
    }
    const auto& searched = std::get<ChoiceNode>(node);
    const int index = choice[block++];
    NAS_CHECK(index >= 0 && static_cast<size_t>(index) < searched.candidates.size(), "space ",
              space.name, ", block '", searched.name, "': found candidate ", index,
              ", expected 0 to ", searched.candidates.size() - 1);
    network.layers.push_back(searched.candidates[static_cast<size_t>(index)]);
    network.architecture.push_back(CandidateName(network.layers.back()));
  }
  network.layers.back().dropout = space.recipe.dropout;
  return network;
}

std::vector<int> PathOfGates(const SearchSpace& space, std::span<const int> of_gate) {
  const std::vector<const ChoiceNode*> choices = space.Choices();
  std::vector<int> path;
  for (const ChoiceNode* node : choices) {
    NAS_CHECK(static_cast<size_t>(node->gate) < of_gate.size(), "space ", space.name,
              ": found a choice for ", of_gate.size(), " gates, expected ", space.Gates().size());
    path.push_back(of_gate[static_cast<size_t>(node->gate)]);
  }
  return path;
}

std::vector<int> LargestPath(const SearchSpace& space) { return LargestPathBeside(space, {}); }

std::vector<int> LargestPathBeside(const SearchSpace& space, std::span<const int> path) {
  return ExtremePath(space, path, [](const Counts& a, const Counts& b) { return HasFewer(b, a); });
}

std::vector<int> SmallestPath(const SearchSpace& space) {
  return ExtremePath(space, {}, [](const Counts& a, const Counts& b) { return HasFewer(a, b); });
}

std::vector<int> ChoiceFromNames(const SearchSpace& space, std::span<const std::string> names) {
  const std::vector<const ChoiceNode*> blocks = space.Choices();
  NAS_CHECK(names.size() == blocks.size(), "space ", space.name, ": found ", names.size(),
            " candidate names, expected ", blocks.size(), ", one per searchable block");
  std::vector<int> choice;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const int index = FindCandidate(*blocks[i], names[i]);
    NAS_CHECK(index >= 0, "space ", space.name, ", block '", blocks[i]->name, "': found '",
              names[i], "', expected one of ", CandidateList(*blocks[i]));
    choice.push_back(index);
  }
  return choice;
}

bool CanBeSkipped(const ChoiceNode& node) {
  return std::ranges::any_of(
      node.candidates, [](const LayerDesc& candidate) { return candidate.op == LayerOp::kZero; });
}

int FindCandidate(const ChoiceNode& node, std::string_view candidate_name) {
  for (size_t i = 0; i < node.candidates.size(); ++i) {
    if (CandidateName(node.candidates[i]) == candidate_name) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace nasengine
