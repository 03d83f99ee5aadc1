// SPDX-License-Identifier: MIT
#include "nas/cli/memory_budget.h"

#include <algorithm>
#include <string>

#include "nas/report/format.h"

namespace nasengine {
namespace {

// What a smaller --batch does not help is refused by a name of its own.
[[noreturn]] void RefuseTraining(const KernelRegistry& registry, const SearchSpace& space,
                                 const PlanOptions& options, std::int64_t budget_bytes) {
  const std::int64_t images = TrainBatch(space.recipe);
  const std::int64_t bytes =
      PlanSearch(space, registry, {{PlannedStep::kWeights, images}}, options).peak;
  Throw(ErrorCode::kOutOfMemory, "memory: training a network of ", space.name, " in batches of ",
        images, " needs ", FormatBytes(bytes), ", the budget is ", FormatBytes(budget_bytes),
        "; set a smaller train_batch in [recipe]");
}

std::int64_t RequireEvaluation(const KernelRegistry& registry, const SearchSpace& space,
                               std::int64_t held_out, PlanOptions options,
                               std::int64_t budget_bytes) {
  const std::int64_t images = std::min(space.recipe.validation_batch, held_out);
  const std::int64_t pixels = space.input.h * space.input.w * space.input.c;
  options.data_bytes += images * pixels * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t bytes =
      PlanSearch(space, registry, {{PlannedStep::kEvaluation, images}}, options).peak;
  if (bytes <= budget_bytes) return bytes;
  Throw(ErrorCode::kOutOfMemory, "memory: evaluating ", space.name, " in batches of ", images,
        " needs ", FormatBytes(bytes), ", the budget is ", FormatBytes(budget_bytes),
        "; set a smaller validation_batch in [recipe]");
}

}  // namespace

std::int64_t RequireWithinBudget(const SearchSpace& space, const KernelRegistry& registry,
                                 const std::vector<SizedStep>& steps, const PlanOptions& options,
                                 std::int64_t budget_bytes) {
  const std::int64_t planned_bytes = PlanSearch(space, registry, steps, options).peak;
  if (planned_bytes <= budget_bytes) return planned_bytes;
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

std::string RecomputeNote(std::span<const SpaceNode> nodes, const RecomputePolicy& policy) {
  const RecomputedBlocks counts = CountRecomputed(nodes, policy);
  const int again = counts.expansions + counts.wholes;
  if (again == 0) return "";
  const std::string what =
      counts.wholes == 0 ? "their expansions alone"
      : counts.expansions == 0
          ? "all of each"
          : StrCat("the expansions of ", counts.expansions, ", all of ", counts.wholes);
  return StrCat("to fit the memory budget, ", again, " of ", counts.blocks,
                " blocks are computed again in the backward pass: ", what);
}

SearchMemory PlanWithinBudget(Session& session, const SearchSpace& space,
                              const SearchAlgorithm& algorithm, DType dtype, std::int64_t held_out,
                              std::int64_t budget_bytes) {
  const Recipe& recipe = space.recipe;
  const KernelRegistry& registry = session.registry();
  const MemoryStats stats = session.allocator().stats();
  PlanOptions options{
      .batch = recipe.batch,
      .dtype = dtype,
      .threads = session.context().threads(),
      .policy = session.context().policy(),
      .data_bytes = stats.active_by_category[static_cast<std::size_t>(MemoryCategory::kData)]};
  const std::vector<SizedStep> steps = SearchSteps(algorithm, recipe);
  std::vector<SizedStep> all = steps;
  all.push_back({PlannedStep::kWeights, TrainBatch(recipe)});
  const RecomputeChoice choice =
      ChooseRecompute(space.nodes, budget_bytes, [&](const RecomputePolicy& policy) {
        PlanOptions tried = options;
        tried.recompute = policy;
        return PlanSearch(space, registry, all, tried).peak;
      });
  options.recompute = choice.policy;
  if (choice.peak_bytes > budget_bytes) {
    RequireWithinBudget(space, registry, steps, options, budget_bytes);
    RefuseTraining(registry, space, options, budget_bytes);
  }
  SearchMemory memory{.recompute = choice.policy, .peak_bytes = choice.peak_bytes};
  memory.evaluation_bytes = RequireEvaluation(registry, space, held_out, options, budget_bytes);
  if (TakesAllPaths(steps.front().step)) return memory;
  options.step = PlannedStep::kAllPaths;
  memory.all_paths_bytes = PlanStep(space, {}, registry, options).peak;
  return memory;
}

}  // namespace nasengine
