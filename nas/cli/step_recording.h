// `--profile-step`: the steps of a search or a training, repeated and recorded, and what is told
// of them.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "data/batch.h"
#include "nas/cli/run_folder.h"
#include "nas/cli/search_images.h"
#include "nas/report/step_profile.h"
#include "nas/search/searcher_factory.h"
#include "nas/space/recipe.h"
#include "nas/supernet/network.h"

namespace nasengine {

// A weight step at learning rate 0 and, where the algorithm takes any, an architecture step, each
// along the path that the searcher draws first. Weights and alphas stay; momentum, running
// statistics, the loaders' positions and what the searcher remembers do not. The steps must have
// been prepared.
std::vector<RecordedStep> RecordSearchSteps(Context& context, Supernet& supernet,
                                            Searcher& searcher, const SearchAlgorithm& algorithm,
                                            SearchImages& images);

// A training step of a network, likewise.
std::vector<RecordedStep> RecordTrainingStep(Context& context, const Network& network,
                                             const Recipe& recipe, const Batch& batch,
                                             std::uint32_t seed);

// Writes trace.json into the folder and prints the tables, or one JSON document, on stdout.
void TellStepProfile(const std::vector<RecordedStep>& steps, const RunFolder& folder, bool json);

}  // namespace nasengine
