// SPDX-License-Identifier: MIT
#include "nas/supernet/memory_plan.h"

#include <memory>

#include "nas/supernet/step.h"

namespace nasengine {
namespace {

ComputeOptions ComputeOf(const PlanOptions& options) {
  return {
      .dtype = options.dtype, .recompute = options.recompute, .micro_batch = options.micro_batch};
}

std::unique_ptr<DeviceBackend> PlanningBackend(const PlanOptions& options) {
  return options.device == nullptr ? MakeCpuBackend() : options.device->ForPlanning();
}

}  // namespace

MemoryPlan ToMemoryPlan(const MemoryStats& stats) {
  const auto at = [&](MemoryCategory category) {
    return stats.at_peak_by_category[static_cast<std::size_t>(category)];
  };
  return {.weights = at(MemoryCategory::kWeights),
          .gradients = at(MemoryCategory::kGradients),
          .optimizer = at(MemoryCategory::kOptimizer),
          .activations = at(MemoryCategory::kActivations),
          .workspace = at(MemoryCategory::kWorkspace),
          .data = at(MemoryCategory::kData),
          .peak = stats.peak_bytes};
}

MemoryPlan PlanStep(const SearchSpace& space, std::span<const int> path,
                    const KernelRegistry& registry, const PlanOptions& options) {
  const std::unique_ptr<DeviceBackend> backend = PlanningBackend(options);
  CachingAllocator allocator(*backend);
  CachingAllocator batch_allocator(*backend);  // batches are counted by options.data_bytes
  const KernelRegistry dry = registry.WithoutExecution();
  Context context(*backend, allocator, dry, options.policy, options.threads);
  const Tensor data = context.Empty({options.data_bytes}, DType::kU8, MemoryCategory::kData);
  const Supernet supernet(context, space, ComputeOf(options));
  for (ParameterSlab* slab : supernet.Slabs()) slab->momentum(context);
  const Tensor images =
      Tensor::Empty(batch_allocator, {options.batch, space.input.h, space.input.w, space.input.c},
                    DType::kF32, MemoryCategory::kData);
  const Tensor labels =
      Tensor::Empty(batch_allocator, {options.batch}, DType::kI32, MemoryCategory::kData);
  // Once to size the workspace, which a run reserves before its first step, and once to count.
  RehearseStep(context, supernet, options.step, path, images, labels);
  allocator.ResetPeak();
  RehearseStep(context, supernet, options.step, path, images, labels);
  return ToMemoryPlan(allocator.stats());
}

MemoryPlan PlanSearch(const SearchSpace& space, const KernelRegistry& registry,
                      const std::vector<SizedStep>& steps, const PlanOptions& options) {
  const Path path = LargestPath(space);
  MemoryPlan largest;
  for (const SizedStep& sized : steps) {
    PlanOptions one = options;
    one.step = sized.step;
    one.batch = sized.batch;
    const MemoryPlan plan = PlanStep(space, path, registry, one);
    if (plan.peak > largest.peak) largest = plan;
  }
  return largest;
}

MemoryPlan PlanTraining(const NetworkDesc& network, const KernelRegistry& registry,
                        const PlanOptions& options) {
  const std::unique_ptr<DeviceBackend> backend = PlanningBackend(options);
  CachingAllocator allocator(*backend);
  CachingAllocator batch_allocator(*backend);
  const KernelRegistry dry = registry.WithoutExecution();
  Context context(*backend, allocator, dry, options.policy, options.threads);
  const Tensor data = context.Empty({options.data_bytes}, DType::kU8, MemoryCategory::kData);
  const Network built(context, network, WeightInit::kFanOut, ComputeOf(options));
  for (ParameterSlab* slab : built.Slabs()) slab->momentum(context);
  const Size3& image = network.input;
  const Tensor images = Tensor::Empty(batch_allocator, {options.batch, image.h, image.w, image.c},
                                      DType::kF32, MemoryCategory::kData);
  const Tensor labels =
      Tensor::Empty(batch_allocator, {options.batch}, DType::kI32, MemoryCategory::kData);
  const Rng dropout(0, RngPurpose::kDropout);
  const auto step = [&] {
    RunTrainingStep(context, built, images, labels, 0, {.dropout_rng = &dropout});
    for (ParameterSlab* slab : built.Slabs()) slab->DropGradients();
  };
  step();
  allocator.ResetPeak();
  step();
  return ToMemoryPlan(allocator.stats());
}

}  // namespace nasengine
