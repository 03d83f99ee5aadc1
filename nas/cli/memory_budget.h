// Refusing a search that would not fit, before it allocates anything.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nas/cli/session.h"
#include "nas/search/searcher_factory.h"
#include "nas/supernet/memory_plan.h"

namespace nasengine {

// Planned bytes of the largest of `steps`; throws kOutOfMemory, naming plan, budget and the largest
// batch that fits (or that none does), unless they are within `budget_bytes`. options.batch is the
// batch that the user chose.
std::int64_t RequireWithinBudget(const SearchSpace& space, const KernelRegistry& registry,
                                 const std::vector<SizedStep>& steps, const PlanOptions& options,
                                 std::int64_t budget_bytes);

// What has to be computed again so that `peak_of(recompute)` stays within the budget, and that
// peak: as little as possible; everything where nothing helps.
struct RecomputeChoice {
  Recompute recompute = Recompute::kNothing;
  std::int64_t peak_bytes = 0;
};
RecomputeChoice ChooseRecompute(std::int64_t budget_bytes,
                                const std::function<std::int64_t(Recompute)>& peak_of);
// "expanded tensors are computed again in the backward pass"; empty for kNothing.
std::string RecomputeNote(Recompute recompute);

// Planned bytes of a search.
struct SearchMemory {
  Recompute recompute = Recompute::kNothing;  // by which it fits
  std::int64_t peak_bytes = 0;                // of its steps and of the training
  std::int64_t evaluation_bytes = 0;          // of the largest path on a batch of held-out images
  std::int64_t all_paths_bytes = 0;  // of a step that keeps all candidates; 0 where they all do
};

// With steps in `dtype`, `held_out` images for the architecture and the data that the session holds
// by now. What does not fit as it is computes more and keeps less. Throws kOutOfMemory, naming what
// has to become smaller, where a step or an evaluation exceeds the budget all the same.
SearchMemory PlanWithinBudget(Session& session, const SearchSpace& space,
                              const SearchAlgorithm& algorithm, DType dtype, std::int64_t held_out,
                              std::int64_t budget_bytes);

}  // namespace nasengine
