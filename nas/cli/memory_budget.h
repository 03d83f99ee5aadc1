// Refusing a search that would not fit, before it allocates anything.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "nas/supernet/memory_plan.h"

namespace nasengine {

// Throws kOutOfMemory, naming plan, budget and the largest batch that fits (or that none does),
// unless `planned_bytes` is within `budget_bytes`. `steps` and `options` are those of the plan, and
// options.batch is the batch that the user chose.
void RequireWithinBudget(const SearchSpace& space, const KernelRegistry& registry,
                         const std::vector<SizedStep>& steps, const PlanOptions& options,
                         std::int64_t planned_bytes, std::int64_t budget_bytes);

}  // namespace nasengine
