// What every command that computes needs, put together once: device, memory, kernels, context.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "data/batch_buffer.h"
#include "kernels/core/allocator.h"
#include "kernels/core/context.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine {

struct SessionOptions {
  std::string device = "cpu";
  int threads = 1;
  // Empty: the implementations that were measured to be fastest here; a list such as
  // "vendor,reference"; or "check".
  std::string kernels;
};

// The type that --dtype names. Throws kInvalidArgument with those that there are.
DType ParseDType(const std::string& text);
// A word where training in `dtype` gains less than one would expect; nothing where it does not.
std::string DTypeNote(const DeviceBackend& backend, DType dtype);

// Throws what a session on this device would throw where there is none, before anything is written.
void RequireDevice(const std::string& name);

class Session {
 public:
  // Throws kUnsupported for a device that this build has no backend for, and kInvalidArgument for a
  // device or an order that does not exist.
  explicit Session(const SessionOptions& options);

  Context& context() { return *context_; }
  // Of the device.
  CachingAllocator& allocator() { return allocator_; }
  // Of the host, for data sets; the same one on a CPU.
  Allocator& host_allocator() {
    return host_allocator_ == nullptr ? allocator_ : static_cast<Allocator&>(*host_allocator_);
  }
  // For loaders.
  BatchMemory batch_memory() { return {allocator_, uploads_.get()}; }
  const KernelRegistry& registry() const { return registry_; }
  DeviceBackend& backend() { return *backend_; }
  // How much a step may take unless the user says so.
  std::int64_t memory_budget() const;

 private:
  KernelRegistry registry_;
  std::unique_ptr<DeviceBackend> backend_;
  CachingAllocator allocator_;
  std::unique_ptr<UploadQueue> uploads_;
  // Null where the host's memory is the device's.
  std::unique_ptr<DeviceBackend> host_backend_;
  std::unique_ptr<CachingAllocator> host_allocator_;
  std::unique_ptr<Context> context_;
};

}  // namespace nasengine
