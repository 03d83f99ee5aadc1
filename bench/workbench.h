// What every benchmark runs on: device, memory, all kernels of this build, a context with the
// policy that a program would have here, and the threads pinned to their cores.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/allocator.h"
#include "kernels/core/context.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine {

class Workbench {
 public:
  // Pins thread i of the OpenMP team to the i-th core that the process may use. `device` as
  // --device has it; throws what opening it throws.
  explicit Workbench(int threads, const std::string& device = "cpu");

  Context& context() { return *context_; }
  CachingAllocator& allocator() { return allocator_; }
  const KernelRegistry& registry() const { return registry_; }
  DeviceBackend& backend() { return *backend_; }
  const DeviceBackend& backend() const { return *backend_; }
  // By which times count: null on a CPU, where it is the host's.
  DeviceBackend* clock() { return on_cpu() ? nullptr : backend_.get(); }
  // What a step may take beside what else runs here, or of what the device has left.
  std::int64_t memory_budget() const;
  bool on_cpu() const { return backend_->device().type == DeviceType::kCpu; }
  std::string device_name() const { return backend_->name(); }
  int threads() const { return context_->threads(); }
  bool pinned() const { return pinned_; }
  // Those that the process may use, which pinning has taken from its main thread.
  const std::vector<int>& cores() const { return cores_; }

  // Zero-mean numbers in [-1, 1), fixed by `stream`; f32 or bf16.
  Tensor Random(const Shape& shape, std::uint32_t stream, DType dtype = DType::kF32);
  // The labels 0, 1, 2, ... modulo `classes`; i32.
  Tensor Labels(std::int64_t n, std::int64_t classes);

  // A tensor on the device with these numbers in it.
  Tensor Filled(const Shape& shape, std::span<const float> numbers, DType dtype = DType::kF32);

 private:
  KernelRegistry registry_;
  std::unique_ptr<DeviceBackend> backend_;
  CachingAllocator allocator_;
  std::unique_ptr<Context> context_;
  std::vector<int> cores_;
  bool pinned_;
};

}  // namespace nasengine
