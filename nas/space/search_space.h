// A search space: a chain of fixed layers and searchable blocks, each block with its candidates.
// It says what may be searched and nothing about how.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "nas/space/layer_desc.h"
#include "nas/space/network_desc.h"
#include "nas/space/recipe.h"

namespace nasengine {

// A searchable block: at least two candidates, all of the block's name, inputs, in and out.
struct ChoiceNode {
  std::string name{};
  std::vector<LayerDesc> candidates{};

  friend bool operator==(const ChoiceNode&, const ChoiceNode&) = default;
};

using SpaceNode = std::variant<LayerDesc, ChoiceNode>;

struct SearchSpace {
  std::string name{};
  Size3 input{};
  int64_t classes = 0;
  BatchNormDesc batch_norm{};
  // In topological order; the last one is the classifier.
  std::vector<SpaceNode> nodes{};
  Recipe recipe{};

  friend bool operator==(const SearchSpace&, const SearchSpace&) = default;

  // The searchable blocks in order; the pointers live as long as the space.
  std::vector<const ChoiceNode*> Choices() const;
  int searchable_blocks() const;
  // Number of alphas: candidates over all searchable blocks.
  int architecture_parameters() const;
  // Log10 of the number of networks in the space.
  double networks_log10() const;
  // The exact number of networks, in decimal digits of any length.
  std::string NetworkCount() const;
};

// The network of one choice: choice[i] is the candidate index of searchable block i. Its classifier
// gets recipe.dropout. Throws kInvalidArgument for a wrong length or an index out of range.
NetworkDesc Derive(const SearchSpace& space, std::span<const int> choice);

// The candidate of most or fewest multiply-accumulates in every block, ties by parameters, then by
// order.
std::vector<int> LargestPath(const SearchSpace& space);
std::vector<int> SmallestPath(const SearchSpace& space);

// Candidate indices from names such as "5x5_MBConv6", one per searchable block. Throws
// kInvalidArgument that names the block and lists its candidates.
std::vector<int> ChoiceFromNames(const SearchSpace& space, std::span<const std::string> names);

// Index of the candidate of this name, or -1.
int FindCandidate(const ChoiceNode& node, std::string_view candidate_name);

// The same space for images of another size and another number of classes; every size in it is
// worked out anew. Throws kInvalidArgument where a map becomes too small for a stride, and where a
// block that may be skipped would no longer keep its size.
SearchSpace WithData(const SearchSpace& space, const Size3& input, int64_t classes);

}  // namespace nasengine
