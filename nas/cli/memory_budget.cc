// SPDX-License-Identifier: MIT
#include "nas/cli/memory_budget.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

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

std::string RecomputeNote(std::span<const SpaceNode> nodes, const RecomputePolicy& policy) {
  const RecomputedBlocks counts = CountRecomputed(nodes, policy);
  const int again = counts.expansions + counts.wholes;
  if (again == 0) return "";
  const bool one = again == 1;
  const std::string what =
      counts.wholes == 0 ? std::string(one ? "its expansion" : "their expansions")
      : counts.expansions == 0
          ? std::string(one ? "all of it" : "all of each")
          : StrCat("the expansions of ", counts.expansions, ", all of ", counts.wholes);
  return StrCat("to fit the memory budget, ", again, " of ", counts.blocks, " blocks ",
                one ? "is" : "are", " computed again in the backward pass: ", what);
}

std::string MicroBatchNote(const std::vector<std::int64_t>& batches, std::int64_t micro_batch) {
  std::string split;
  for (const std::int64_t batch : std::set<std::int64_t>(batches.begin(), batches.end())) {
    if (batch <= micro_batch) continue;
    const std::int64_t parts = (batch + micro_batch - 1) / micro_batch;
    const std::int64_t images = (batch + parts - 1) / parts;
    split +=
        StrCat(split.empty() ? "batches of " : ", of ", batch, split.empty() ? " run as " : " as ",
               parts, batch % parts == 0 ? " of " : " of at most ", images);
  }
  return StrCat("to fit the memory budget, ", split, ", whose statistics batch norm takes instead");
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

MemoryFit FitIntoBudget(std::span<const SpaceNode> nodes, std::int64_t batch,
                        const ComputeOptions& start, std::int64_t budget_bytes,
                        const std::function<std::int64_t(const ComputeOptions&)>& peak_of) {
  const auto fit_with = [&](std::int64_t micro_batch) {
    MemoryFit fit{.compute = start};
    fit.compute.micro_batch = micro_batch;
    const RecomputeChoice choice =
        ChooseRecompute(nodes, budget_bytes, [&](const RecomputePolicy& policy) {
          fit.compute.recompute = policy;
          return peak_of(fit.compute);
        });
    fit.compute.recompute = choice.policy;
    fit.peak_bytes = choice.peak_bytes;
    return fit;
  };
  MemoryFit in_one = fit_with(start.micro_batch);
  if (in_one.peak_bytes <= budget_bytes) return in_one;
  const auto in_parts = [&](std::int64_t parts) { return fit_with((batch + parts - 1) / parts); };
  std::int64_t too_few =
      start.micro_batch > 0 ? (batch + start.micro_batch - 1) / start.micro_batch : 1;
  std::int64_t enough = batch / 2;  // statistics need more than one image
  if (enough <= too_few) return in_one;
  MemoryFit fit = in_parts(enough);
  if (fit.peak_bytes > budget_bytes) return in_one;
  while (enough - too_few > 1) {
    const std::int64_t parts = (too_few + enough) / 2;
    MemoryFit tried = in_parts(parts);
    if (tried.peak_bytes <= budget_bytes) {
      enough = parts;
      fit = std::move(tried);
    } else {
      too_few = parts;
    }
  }
  return fit;
}

std::vector<std::string> FitNotes(std::span<const SpaceNode> nodes,
                                  const std::vector<std::int64_t>& batches,
                                  const ComputeOptions& start, const MemoryFit& fit) {
  std::vector<std::string> notes;
  const ComputeOptions& compute = fit.compute;
  if (const std::string note = RecomputeNote(nodes, compute.recompute); !note.empty()) {
    notes.push_back(note);
  }
  if (compute.micro_batch != start.micro_batch) {
    notes.push_back(MicroBatchNote(batches, compute.micro_batch));
  }
  return notes;
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
      .device = &session.backend(),
      .data_bytes = stats.active_by_category[static_cast<std::size_t>(MemoryCategory::kData)]};
  const std::vector<SizedStep> steps = SearchSteps(algorithm, recipe);
  std::vector<SizedStep> all = steps;
  all.push_back({PlannedStep::kWeights, TrainBatch(recipe)});
  const auto with = [&](const ComputeOptions& compute) {
    PlanOptions tried = options;
    tried.recompute = compute.recompute;
    tried.micro_batch = compute.micro_batch;
    return tried;
  };
  const ComputeOptions start{.dtype = dtype, .micro_batch = recipe.micro_batch};
  SearchMemory memory;
  memory.fit = FitIntoBudget(space.nodes, std::max(recipe.batch, TrainBatch(recipe)), start,
                             budget_bytes, [&](const ComputeOptions& compute) {
                               return PlanSearch(space, registry, all, with(compute)).peak;
                             });
  options = with(memory.fit.compute);
  if (memory.fit.peak_bytes > budget_bytes) {
    RequireWithinBudget(space, registry, steps, options, budget_bytes);
    RefuseTraining(registry, space, options, budget_bytes);
  }
  memory.notes = FitNotes(space.nodes, {recipe.batch, TrainBatch(recipe)}, start, memory.fit);
  memory.evaluation_bytes = RequireEvaluation(registry, space, held_out, options, budget_bytes);
  if (TakesAllPaths(steps.front().step)) return memory;
  options.step = PlannedStep::kAllPaths;
  memory.all_paths_bytes = PlanStep(space, {}, registry, options).peak;
  return memory;
}

}  // namespace nasengine
