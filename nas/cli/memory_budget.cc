// SPDX-License-Identifier: MIT
#include "nas/cli/memory_budget.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace nasengine {
std::string FormatBytes(std::int64_t bytes) {
  constexpr double kMebibyte = 1024.0 * 1024.0;
  const double mebibytes = static_cast<double>(bytes) / kMebibyte;
  std::array<char, 32> text{};
  if (mebibytes >= 1024) {
    std::snprintf(text.data(), text.size(), "%.2f GiB", mebibytes / 1024);
  } else {
    std::snprintf(text.data(), text.size(), "%.1f MiB", mebibytes);
  }
  return text.data();
}

void RequireWithinBudget(const SearchSpace& space, const KernelRegistry& registry,
                         const PlanOptions& options, std::int64_t planned_bytes,
                         std::int64_t budget_bytes) {
  if (planned_bytes <= budget_bytes) return;
  const auto planned = [&](std::int64_t batch) {
    PlanOptions smaller = options;
    smaller.batch = batch;
    SearchSpace scaled = space;
    scaled.recipe.arch_batch = std::min(space.recipe.arch_batch, batch);
    return PlanSearch(scaled, registry, smaller).peak;
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
