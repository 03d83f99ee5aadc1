// SPDX-License-Identifier: MIT
#include "nas/cli/memory_budget.h"

#include <algorithm>
#include <string>

#include "nas/report/format.h"

namespace nasengine {

void RequireWithinBudget(const SearchSpace& space, const KernelRegistry& registry,
                         const std::vector<SizedStep>& steps, const PlanOptions& options,
                         std::int64_t planned_bytes, std::int64_t budget_bytes) {
  if (planned_bytes <= budget_bytes) return;
  const auto planned = [&](std::int64_t batch) {
    std::vector<SizedStep> smaller = steps;
    for (SizedStep& step : smaller) step.batch = std::min(step.batch, batch);
    return PlanSearch(space, registry, smaller, options).peak;
  };
  std::int64_t fits = 0;
  std::int64_t too_large = options.batch;
  while (too_large - fits > 1) {
    const std::int64_t middle = (fits + too_large) / 2;
    (planned(middle) <= budget_bytes ? fits : too_large) = middle;
  }
  Throw(ErrorCode::kOutOfMemory, "memory: a search of ", space.name, " at batch ", options.batch,
        " needs ", FormatBytes(planned_bytes), ", the budget is ", FormatBytes(budget_bytes),
        fits >= 2 ? StrCat("; the largest batch that fits is ", fits, " (--batch ", fits, ")")
                  : std::string("; no batch fits, raise --memory-budget"));
}

}  // namespace nasengine
