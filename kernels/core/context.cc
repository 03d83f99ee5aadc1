// SPDX-License-Identifier: MIT
#include "kernels/core/context.h"

#include <omp.h>

#include <utility>

namespace nasengine {

Context::Context(DeviceBackend& backend, Allocator& allocator, const KernelRegistry& registry,
                 KernelPolicy policy, int threads)
    : backend_(backend),
      allocator_(allocator),
      registry_(registry),
      policy_(std::move(policy)),
      threads_(threads),
      states_(std::make_shared<States>()) {
  NAS_CHECK(threads >= 1, "threads: found ", threads, ", expected 1 or more");
  omp_set_num_threads(threads);
  omp_set_dynamic(0);
}

Context::~Context() = default;

std::unique_ptr<Context> Context::Sibling(Allocator& allocator,
                                          const KernelRegistry& registry) const {
  auto sibling = std::make_unique<Context>(backend_, allocator, registry, policy_, threads_);
  sibling->states_ = states_;
  return sibling;
}

void* Context::Workspace(std::size_t bytes) {
  ReserveWorkspace(bytes);
  return workspace_.defined() ? workspace_.data() : nullptr;
}

void Context::ReserveWorkspace(std::size_t bytes) {
  if (bytes <= workspace_bytes_) return;
  workspace_.Reset();  // before the new one, so that the two never coexist
  workspace_ = Tensor::Empty(allocator_, {static_cast<std::int64_t>(bytes)}, DType::kU8,
                             MemoryCategory::kWorkspace);
  workspace_bytes_ = bytes;
}

}  // namespace nasengine
