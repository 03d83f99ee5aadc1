// How long a search will take on this machine, from a few measured steps, and the epochs that fit a
// given time.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

#include "data/loader.h"
#include "nas/report/search_summary.h"
#include "nas/search/searcher.h"
#include "nas/space/recipe.h"
#include "nas/train/search_schedule.h"

namespace nasengine {

struct MeasuredSteps {
  // Of one step, mean over a few random paths.
  double weight_seconds = 0;
  double training_seconds = 0;  // of a derived network
  double architecture_seconds = 0;
  double evaluation_seconds = 0;  // of one path on all held-out images
  std::int64_t scored_paths = 0;  // evaluated to choose the one to derive
};

// Runs a few steps as `searcher` takes them, architecture steps only where `schedule` has any, and
// training steps along paths from `derived`, which stand for those that will be derived: weights,
// running statistics, alphas and the loaders' positions are afterwards what they were.
// The searcher is used up, since what it remembers of its steps is not undone.
MeasuredSteps MeasureSteps(Context& context, Supernet& supernet, Searcher& searcher,
                           const SearchSchedule& schedule, Loader& weight_loader,
                           Loader& arch_loader,
                           const std::function<Path(std::uint64_t step)>& derived);

// What a schedule does not say.
struct OtherWork {
  std::int64_t validations = 0;     // of the likeliest path while the search runs
  std::int64_t training_steps = 0;  // of derived networks
  double profile_seconds = 0;       // what the latency table took
};
PhaseSeconds EstimateSeconds(const MeasuredSteps& measured, const SearchSchedule& schedule,
                             const OtherWork& other);

// The recipe with its epochs scaled alike, none below 1, so that the estimated warm-up, search and
// training fit `seconds`; the alphas' learning rates grow as the number of architecture steps
// falls, so that learning rate times updates, which is how far an alpha can travel, stays. Throws
// kInvalidArgument, naming the shortest time, when one epoch of each does not fit.
Recipe FitToBudget(const Recipe& recipe, double seconds,
                   const std::function<PhaseSeconds(const Recipe&)>& estimate);

}  // namespace nasengine
