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
  // Index of the alpha vector that chooses here, counted from 0 in the order of first use. Blocks
  // of one gate are tied: they have the same list of candidates and a search chooses one for all.
  int gate = 0;

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
  // The searchable blocks of every gate, by their index in Choices().
  std::vector<std::vector<int>> Gates() const;
  // Number of alphas: candidates over all gates.
  int architecture_parameters() const;
  // Log10 of the number of networks that a search may choose.
  double networks_log10() const;
  // The exact number of them, in decimal digits of any length.
  std::string NetworkCount() const;
};

// The network of one choice: choice[i] is the candidate index of searchable block i. Its classifier
// gets recipe.dropout. Blocks that are tied in a search may differ here. Throws kInvalidArgument
// for a wrong length or an index out of range.
NetworkDesc Derive(const SearchSpace& space, std::span<const int> choice);

// The choice of candidate of_gate[g] in every block of gate g. Throws kInvalidArgument for a wrong
// length.
std::vector<int> PathOfGates(const SearchSpace& space, std::span<const int> of_gate);

// The candidate of most or fewest multiply-accumulates at every gate, over its blocks together; of
// equals the one of most or fewest parameters, then the first.
std::vector<int> LargestPath(const SearchSpace& space);
std::vector<int> SmallestPath(const SearchSpace& space);
// The same as LargestPath of what `path` does not take, for a second path beside it.
std::vector<int> LargestPathBeside(const SearchSpace& space, std::span<const int> path);

// Candidate indices from names such as "5x5_MBConv6", one per searchable block. Throws
// kInvalidArgument that names the block and lists its candidates.
std::vector<int> ChoiceFromNames(const SearchSpace& space, std::span<const std::string> names);

// Whether one of its candidates is Zero.
bool CanBeSkipped(const ChoiceNode& node);

// Index of the candidate of this name, or -1.
int FindCandidate(const ChoiceNode& node, std::string_view candidate_name);

// The same space or network for images of another size and another number of classes; every size
// in it is worked out anew. Throws kInvalidArgument where a map becomes too small for a stride, and
// where a block that may be skipped would no longer keep its size.
SearchSpace WithData(const SearchSpace& space, const Size3& input, int64_t classes);
NetworkDesc WithData(const NetworkDesc& network, const Size3& input, int64_t classes);

}  // namespace nasengine
