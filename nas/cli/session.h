// What every command that computes needs, put together once: device, memory, kernels, context.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

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

class Session {
 public:
  // Throws kUnsupported for a device that this build has no backend for, and kInvalidArgument for a
  // device or an order that does not exist.
  explicit Session(const SessionOptions& options);

  Context& context() { return *context_; }
  CachingAllocator& allocator() { return allocator_; }
  const KernelRegistry& registry() const { return registry_; }
  DeviceBackend& backend() { return *backend_; }

 private:
  std::unique_ptr<DeviceBackend> backend_;
  CachingAllocator allocator_;
  KernelRegistry registry_;
  std::unique_ptr<Context> context_;
};

}  // namespace nasengine
