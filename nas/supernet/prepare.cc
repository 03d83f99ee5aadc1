// SPDX-License-Identifier: MIT
#include "nas/supernet/prepare.h"

#include <algorithm>
#include <memory>

#include "nas/supernet/step.h"

namespace nasengine {
namespace {

// First-fit leaves gaps when paths of different sizes alternate; the region is never touched beyond
// what a step uses, so the margin costs address space only.
constexpr double kRegionMargin = 1.5;

struct DryBatch {
  DryBatch(Context& context, const Size3& image, std::int64_t n)
      : images(context.Empty({n, image.h, image.w, image.c}, DType::kF32, MemoryCategory::kData)),
        labels(context.Empty({n}, DType::kI32, MemoryCategory::kData)) {}
  Tensor images;
  Tensor labels;
};

// Candidate k of every block (its last one where it has fewer), so that all are met; then the
// largest.
std::vector<Path> CoveringPaths(const Supernet& supernet) {
  int most = 0;
  for (const BinaryGate& gate : supernet.gates()) most = std::max(most, gate.candidates());
  std::vector<Path> paths;
  for (int k = 0; k < most; ++k) {
    std::vector<int> of_gate;
    for (const BinaryGate& gate : supernet.gates()) {
      of_gate.push_back(std::min(k, gate.candidates() - 1));
    }
    paths.push_back(PathOfGates(supernet.space(), of_gate));
  }
  paths.push_back(LargestPath(supernet.space()));
  return paths;
}

}  // namespace

void Prepare(Context& context, CachingAllocator& allocator, std::span<const PreparableStep> steps) {
  CachingAllocator dry_allocator(context.backend());
  const KernelRegistry dry_registry = context.registry().WithoutExecution();
  const std::unique_ptr<Context> dry = context.Sibling(dry_allocator, dry_registry);
  for (const PreparableStep& step : steps) step(*dry);
  context.ReserveWorkspace(dry->workspace_bytes());
  const auto workspace = static_cast<double>(dry->workspace_bytes());
  const double peak = static_cast<double>(dry_allocator.stats().peak_bytes) - workspace;
  allocator.Reserve(static_cast<std::size_t>(kRegionMargin * std::max(peak, 0.0)));
}

void PrepareSupernet(Context& context, CachingAllocator& allocator, Supernet& supernet,
                     const std::vector<SizedStep>& steps) {
  for (ParameterSlab* slab : supernet.Slabs()) slab->momentum(context);
  const std::vector<Path> covering = CoveringPaths(supernet);
  std::vector<PreparableStep> rehearsals;
  for (const SizedStep& sized : steps) {
    const std::span<const Path> paths(covering.data(),
                                      TakesAllPaths(sized.step) ? 1 : covering.size());
    for (const Path& path : paths) {
      rehearsals.emplace_back([&supernet, &path, sized](Context& dry) {
        const DryBatch batch(dry, supernet.space().input, sized.batch);
        RehearseStep(dry, supernet, sized.step, path, batch.images, batch.labels);
      });
    }
  }
  Prepare(context, allocator, rehearsals);
}

void PrepareTraining(Context& context, CachingAllocator& allocator, Network& network,
                     std::span<const std::int64_t> batches) {
  const Size3 image = network.desc().input;
  std::vector<PreparableStep> steps;
  for (ParameterSlab* slab : network.Slabs()) slab->momentum(context);
  for (const std::int64_t n : batches) {
    steps.emplace_back([&network, image, n](Context& dry) {
      const DryBatch batch(dry, image, n);
      const Rng dropout(0, RngPurpose::kDropout);
      RunTrainingStep(dry, network, batch.images, batch.labels, 0, {.dropout_rng = &dropout});
      for (ParameterSlab* slab : network.Slabs()) slab->DropGradients();
    });
  }
  Prepare(context, allocator, steps);
}

}  // namespace nasengine
