// Making what would not fit into memory fit, or refusing it, before it allocates anything.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
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

// How steps compute so that they fit, and the peak that they have then.
struct MemoryFit {
  ComputeOptions compute{};
  std::int64_t peak_bytes = 0;
};

// `start` with as many of its blocks computed again as it takes; and where all of them are not
// enough, in the fewest parts of `batch`, the largest, equal to one image, that fit with some. In
// one piece with everything computed again where nothing helps.
MemoryFit FitIntoBudget(std::span<const SpaceNode> nodes, std::int64_t batch,
                        const ComputeOptions& start, std::int64_t budget_bytes,
                        const std::function<std::int64_t(const ComputeOptions&)>& peak_of);

// What was done for it, a sentence each, such as "to fit the memory budget, 7 of 21 blocks are
// computed again in the backward pass: the expansions of 5, all of 2" and "to fit the memory
// budget, batches of 128 run as 4 of 32, whose statistics batch norm takes instead". None where
// `start` fits.
std::vector<std::string> FitNotes(std::span<const SpaceNode> nodes,
                                  const std::vector<std::int64_t>& batches,
                                  const ComputeOptions& start, const MemoryFit& fit);

// Planned bytes of a search.
struct SearchMemory {
  MemoryFit fit;                      // of its steps and of the training
  std::vector<std::string> notes;     // on it, for people
  std::int64_t evaluation_bytes = 0;  // of the largest path on a batch of held-out images
  std::int64_t all_paths_bytes = 0;   // of a step that keeps all candidates; 0 where they all do
};

// With steps in `dtype`, `held_out` images for the architecture and the data that the session holds
// by now. Throws kOutOfMemory, naming what has to become smaller, where a step or an evaluation
// exceeds the budget whatever is done.
SearchMemory PlanWithinBudget(Session& session, const SearchSpace& space,
                              const SearchAlgorithm& algorithm, DType dtype, std::int64_t held_out,
                              std::int64_t budget_bytes);

}  // namespace nasengine
