// Making what would not fit into memory fit, or refusing it, before it allocates anything.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nas/cli/session.h"
#include "nas/search/searcher_factory.h"
#include "nas/supernet/memory_plan.h"
#include "nas/supernet/recompute_choice.h"

namespace nasengine {

// Planned bytes of the largest of `steps`; throws kOutOfMemory, naming plan, budget and the largest
// batch that fits (or that none does), unless they are within `budget_bytes`. options.batch is the
// batch that the user chose.
std::int64_t RequireWithinBudget(const SearchSpace& space, const KernelRegistry& registry,
                                 const std::vector<SizedStep>& steps, const PlanOptions& options,
                                 std::int64_t budget_bytes);

// "to fit the memory budget, 7 of 21 blocks are computed again in the backward pass: the expansions
// of 5, all of 2"; empty where nothing is.
std::string RecomputeNote(std::span<const SpaceNode> nodes, const RecomputePolicy& policy);

// Planned bytes of a search.
struct SearchMemory {
  RecomputePolicy recompute{};        // by which it fits
  std::int64_t peak_bytes = 0;        // of its steps and of the training
  std::int64_t evaluation_bytes = 0;  // of the largest path on a batch of held-out images
  std::int64_t all_paths_bytes = 0;   // of a step that keeps all candidates; 0 where they all do
};

// With steps in `dtype`, `held_out` images for the architecture and the data that the session holds
// by now. What does not fit as it is computes some of its blocks again. Throws kOutOfMemory, naming
// what has to become smaller, where a step or an evaluation exceeds the budget all the same.
SearchMemory PlanWithinBudget(Session& session, const SearchSpace& space,
                              const SearchAlgorithm& algorithm, DType dtype, std::int64_t held_out,
                              std::int64_t budget_bytes);

}  // namespace nasengine
