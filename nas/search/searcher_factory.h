// The search algorithms by name: the one place that maps --algorithm to a class, to its default
// objective and to the architecture steps that it takes.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nas/latency/latency_model.h"
#include "nas/search/architecture_steps.h"
#include "nas/search/objective.h"
#include "nas/search/searcher.h"
#include "nas/space/recipe.h"
#include "nas/supernet/rehearsal.h"

namespace nasengine {

struct SearcherParts {
  Supernet& supernet;           // initialised; must outlive the searcher
  const LatencyModel* latency;  // must outlive the searcher; null when no latency is wanted
  ObjectiveConfig objective;
  const Recipe& recipe;
  std::uint32_t seed = 0;
};

struct SearchAlgorithm {
  std::string_view name;
  ObjectiveKind default_objective;
  std::span<const PlannedStep> steps;  // the weight step, then the architecture step if any
  ArchitectureSteps (*architecture_steps)(const Recipe& recipe);
  ArchitectureKnobs knobs;  // what the steps take from the recipe, for advice
  // Throws kInvalidArgument for an objective that the algorithm cannot have, and what the searcher
  // throws.
  std::unique_ptr<Searcher> (*make)(const SearcherParts& parts);
};

std::vector<std::string_view> AlgorithmNames();
std::string AlgorithmList();  // the same as one text, for people
// Throws kInvalidArgument with the list of names.
const SearchAlgorithm& FindAlgorithm(std::string_view name);

// The steps of a search, for planning and preparing them.
std::vector<SizedStep> SearchSteps(const SearchAlgorithm& algorithm, const Recipe& recipe);

}  // namespace nasengine
