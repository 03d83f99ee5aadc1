// What a kernel needs beside its arguments: memory, scratch, threads, the table of kernels and the
// vendor libraries' state. Passed by reference to everything that computes.
//
// Thread rule: used by one thread at a time; that thread is the master of the OpenMP team.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <typeindex>

#include "kernels/core/allocator.h"
#include "kernels/core/kernel_policy.h"
#include "kernels/core/tensor.h"

namespace nasengine {

class KernelRegistry;

class Context {
 public:
  // Everything passed by reference must outlive the context. `threads` >= 1 becomes the size of the
  // OpenMP team of the calling thread.
  Context(DeviceBackend& backend, Allocator& allocator, const KernelRegistry& registry,
          KernelPolicy policy, int threads);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // A context over another allocator and registry that shares this one's vendor state, so that
  // primitives created through one are ready in the other.
  std::unique_ptr<Context> Sibling(Allocator& allocator, const KernelRegistry& registry) const;

  Device device() const { return backend_.device(); }
  DeviceBackend& backend() const { return backend_; }
  Allocator& allocator() const { return allocator_; }
  const KernelRegistry& registry() const { return registry_; }
  const KernelPolicy& policy() const { return policy_; }
  int threads() const { return threads_; }

  Tensor Empty(const Shape& shape, DType dtype, MemoryCategory category) const {
    return Tensor::Empty(allocator_, shape, dtype, category);
  }

  // Scratch of at least `bytes`, aligned to 64; the caller's until the next call. Grows when
  // needed, which allocates; after ReserveWorkspace of the largest need it never does.
  void* Workspace(std::size_t bytes);
  void ReserveWorkspace(std::size_t bytes);
  std::size_t workspace_bytes() const { return workspace_bytes_; }

  // The one T of this context and its siblings (a vendor's primitive cache), made on first use.
  template <class T>
  T& State() {
    std::shared_ptr<void>& slot = (*states_)[std::type_index(typeid(T))];
    if (slot == nullptr) slot = std::make_shared<T>();
    return *static_cast<T*>(slot.get());
  }

 private:
  using States = std::map<std::type_index, std::shared_ptr<void>>;

  DeviceBackend& backend_;
  Allocator& allocator_;
  const KernelRegistry& registry_;
  KernelPolicy policy_;
  int threads_;
  std::shared_ptr<States> states_;
  Tensor workspace_;
  std::size_t workspace_bytes_ = 0;
};

}  // namespace nasengine
