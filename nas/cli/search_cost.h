// What a whole search costs in hours of this machine, and so in energy and money: arithmetic on a
// recipe, a number of images and the seconds of a step. Beside it stand the costs that have been
// published.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "nas/search/architecture_steps.h"
#include "nas/space/recipe.h"

namespace nasengine {

// Steps of one phase and their time.
struct PhaseCost {
  int epochs = 0;
  std::int64_t weight_steps = 0;
  std::int64_t architecture_steps = 0;
  double seconds = 0;
};

struct SearchCost {
  std::int64_t images = 0;    // of the training set
  std::int64_t held_out = 0;  // of them, for the architecture
  std::int64_t batch = 0;     // of the recipe
  std::int64_t train_batch = 0;
  // The last batch of an epoch may be smaller: 4,810 batches of 256 for ImageNet, as published. A
  // search leaves it out, one step an epoch.
  std::int64_t batches_per_epoch = 0;
  PhaseCost warmup;
  PhaseCost search;
  PhaseCost train;  // of the derived network, on the images that trained the supernet

  double search_seconds() const { return warmup.seconds + search.seconds; }
  double total_seconds() const { return search_seconds() + train.seconds; }
  // How long the search takes beside training alone for as many weight steps; 0 where the recipe
  // does not train.
  double times_training_steps() const;
};

// Of a weight and an architecture step of the search, and of a weight step along one path, which a
// training step of the derived network is taken for.
struct StepSeconds {
  double weight = 0;
  double architecture = 0;
  double training = 0;
};

// `steps` are of the recipe's batches and of an algorithm that takes `architecture` steps; the
// comparison of paths that ends a random search is not in it. Throws kInvalidArgument when the
// images are too few for a batch or for holding any out.
SearchCost CostOfSearch(const Recipe& recipe, const ArchitectureSteps& architecture,
                        std::int64_t images, const StepSeconds& steps);

// What is known of the machine and its price.
struct CostRates {
  std::optional<double> watts;           // drawn by the machine while it works
  std::optional<double> price_per_hour;  // in any currency
};

// How the numbers came about.
struct CostContext {
  std::string space;
  std::string data;
  std::string algorithm;
  std::string device;       // "cpu"
  std::string device_name;  // "AMD EPYC ..."
  int threads = 0;
  std::int64_t measured_batch = 0;
  StepSeconds measured;  // of steps of measured_batch images
};

std::string CostText(const SearchCost& cost, const CostRates& rates, const CostContext& context);
std::string CostJson(const SearchCost& cost, const CostRates& rates, const CostContext& context);

}  // namespace nasengine
