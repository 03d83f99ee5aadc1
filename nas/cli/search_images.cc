// SPDX-License-Identifier: MIT
#include "nas/cli/search_images.h"

#include <algorithm>

#include "kernels/core/error.h"
#include "nas/train/recipe_images.h"

namespace nasengine {

SearchImages::SearchImages(const DataSource& data, Recipe& recipe, const SearchAlgorithm& algorithm,
                           std::uint32_t seed, const BatchMemory& memory)
    : data_(data),
      recipe_(recipe),
      seed_(seed),
      memory_(memory),
      split_(HeldOutSplit(*data.train, recipe, seed)) {
  NAS_CHECK(recipe.batch >= 2 && recipe.batch <= weight_images(), "batch: found ", recipe.batch,
            ", expected 2 to ", weight_images(), ", the images for the weights");
  NAS_CHECK(TrainBatch(recipe) <= weight_images(), "train_batch: found ", TrainBatch(recipe),
            ", expected at most ", weight_images(), ", the images for the weights");
  NAS_CHECK(held_out_images() >= 2, "data: ", held_out_images(),
            " images are held out for the architecture, expected at least 2");
  if (recipe.arch_batch == 0) recipe.arch_batch = recipe.batch;
  recipe.arch_batch = std::min(recipe.arch_batch, held_out_images());
  recipe.rl_batch = std::min(recipe.rl_batch, held_out_images());
  const AugmentConfig augment = SearchAugment(recipe, data.stats);
  weight_loader_ = NewLoader(recipe.batch, augment);
  arch_loader_ = std::make_unique<Loader>(
      *data.train, split_.architecture,
      LoaderConfig{.batch_size = algorithm.architecture_steps(recipe).images,
                   .augment = WithoutAugmentation(augment),
                   .seed = seed},
      memory);
}

EvalBatches SearchImages::HeldOut() const {
  return EvalBatches(*data_.train, split_.architecture, recipe_.validation_batch, data_.stats,
                     memory_);
}

Loader& SearchImages::BeginTraining() {
  weight_loader_.reset();
  weight_loader_ = NewLoader(TrainBatch(recipe_), TrainAugment(recipe_, data_.stats));
  return *weight_loader_;
}

std::unique_ptr<Loader> SearchImages::NewLoader(std::int64_t batch,
                                                const AugmentConfig& augment) const {
  return std::make_unique<Loader>(
      *data_.train, split_.weights,
      LoaderConfig{
          .batch_size = batch, .order = TrainingOrder(recipe_), .augment = augment, .seed = seed_},
      memory_);
}

}  // namespace nasengine
