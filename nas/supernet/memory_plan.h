// How much memory a training step takes, known before it runs.
//
// The plan is a dry run: the same supernet, the same tape and the same allocator logic, over a
// registry whose kernels compute nothing and memory that is never touched. It cannot drift from
// what a step does, since it is what a step does; tests hold it against the count of real steps.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/kernel_registry.h"
#include "nas/supernet/rehearsal.h"

namespace nasengine {

// Peak bytes by category at the moment of the peak; they add up to `peak`.
struct MemoryPlan {
  std::int64_t weights = 0;
  std::int64_t gradients = 0;
  std::int64_t optimizer = 0;
  std::int64_t activations = 0;
  std::int64_t workspace = 0;
  std::int64_t data = 0;
  std::int64_t peak = 0;
};
MemoryPlan ToMemoryPlan(const MemoryStats& stats);

struct PlanOptions {
  std::int64_t batch = 128;
  DType dtype = DType::kF32;  // that steps compute in
  RecomputePolicy recompute{};
  std::int64_t micro_batch = 0;
  PlannedStep step = PlannedStep::kWeights;
  int threads = 1;
  KernelPolicy policy{};
  DeviceBackend* device = nullptr;  // which computes; null: the CPU
  // Bytes that the data set and its loaders hold.
  std::int64_t data_bytes = 0;
};

// The step of `space` along `path` (ignored by steps of all paths), with the momentum of every
// candidate, on the kernels of `registry`. Throws what building and running the step throws.
MemoryPlan PlanStep(const SearchSpace& space, std::span<const int> path,
                    const KernelRegistry& registry, const PlanOptions& options);

// The largest of a search's steps, at least one, each along the path whose candidates keep most
// activations; options.batch and options.step do not matter.
MemoryPlan PlanSearch(const SearchSpace& space, const KernelRegistry& registry,
                      const std::vector<SizedStep>& steps, const PlanOptions& options);

// A training step of a concrete network, with its momentum; options.step does not matter.
MemoryPlan PlanTraining(const NetworkDesc& network, const KernelRegistry& registry,
                        const PlanOptions& options);

}  // namespace nasengine
