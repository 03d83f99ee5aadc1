// Counting, choosing and deriving in a search space.
// SPDX-License-Identifier: MIT
#include "nas/space/search_space.h"

#include <algorithm>
#include <cmath>

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

template <class Better>
std::vector<int> ExtremePath(const SearchSpace& space, Better better) {
  std::vector<int> choice;
  for (const ChoiceNode* node : space.Choices()) {
    size_t best = 0;
    for (size_t i = 1; i < node->candidates.size(); ++i) {
      if (better(CountLayer(node->candidates[i]), CountLayer(node->candidates[best]))) best = i;
    }
    choice.push_back(static_cast<int>(best));
  }
  return choice;
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

int SearchSpace::architecture_parameters() const {
  size_t count = 0;
  for (const ChoiceNode* node : Choices()) count += node->candidates.size();
  return static_cast<int>(count);
}

double SearchSpace::networks_log10() const {
  double sum = 0.0;
  for (const ChoiceNode* node : Choices()) {
    sum += std::log10(static_cast<double>(node->candidates.size()));
  }
  return sum;
}

std::string SearchSpace::NetworkCount() const {
  std::vector<int> digits{1};
  for (const ChoiceNode* node : Choices()) {
    Multiply(digits, static_cast<int64_t>(node->candidates.size()));
  }
  std::string text;
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
    text += static_cast<char>('0' + *digit);
  }
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
                      .space = space.name};
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

std::vector<int> LargestPath(const SearchSpace& space) {
  return ExtremePath(space, [](const Counts& a, const Counts& b) { return HasFewer(b, a); });
}

std::vector<int> SmallestPath(const SearchSpace& space) {
  return ExtremePath(space, [](const Counts& a, const Counts& b) { return HasFewer(a, b); });
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

int FindCandidate(const ChoiceNode& node, std::string_view candidate_name) {
  for (size_t i = 0; i < node.candidates.size(); ++i) {
    if (CandidateName(node.candidates[i]) == candidate_name) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace nasengine
