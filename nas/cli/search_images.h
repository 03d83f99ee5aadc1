// The images of a search: which train the weights and which the architecture, and the loaders of
// both, opened by the recipe.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "data/data_source.h"
#include "data/loader.h"
#include "data/split.h"
#include "nas/search/searcher_factory.h"
#include "nas/space/recipe.h"

namespace nasengine {

class SearchImages {
 public:
  // Fits the batches of `recipe` to the images there are; all references must outlive the object.
  // Throws kInvalidArgument where there are too few images, and what split and loaders throw.
  SearchImages(const DataSource& data, Recipe& recipe, const SearchAlgorithm& algorithm,
               std::uint32_t seed, const BatchMemory& memory);

  const Split& split() const { return split_; }
  std::int64_t weight_images() const { return static_cast<std::int64_t>(split_.weights.size()); }
  std::int64_t held_out_images() const {
    return static_cast<std::int64_t>(split_.architecture.size());
  }
  Loader& weight_loader() { return *weight_loader_; }
  Loader& arch_loader() { return *arch_loader_; }
  // The held-out images for evaluating paths.
  EvalBatches HeldOut() const;
  // The loader of the weights makes room for one that augments as the derived network's training
  // wants it.
  Loader& BeginTraining();

 private:
  std::unique_ptr<Loader> NewLoader(std::int64_t batch, const AugmentConfig& augment) const;

  const DataSource& data_;
  Recipe& recipe_;
  std::uint32_t seed_;
  BatchMemory memory_;
  Split split_;
  std::unique_ptr<Loader> weight_loader_;
  std::unique_ptr<Loader> arch_loader_;
};

}  // namespace nasengine
