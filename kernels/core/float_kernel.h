// What operators on floating-point tensors share: checks of their views, and registration of a
// reference and of kernels of ours.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/core/kernel_registry.h"
#include "kernels/core/tensor.h"

namespace nasengine {

// Throws kInvalidArgument unless `view` has this shape and type, and data where it has elements.
inline void CheckView(const char* op, const char* name, const ConstView& view, const Shape& shape,
                      DType dtype) {
  NAS_CHECK(view.shape == shape, op, ": ", name, " is ", ToString(view.shape), ", expected ",
            ToString(shape));
  NAS_CHECK(view.dtype == dtype, op, ": ", name, " is ", Name(view.dtype), ", expected ",
            Name(dtype));
  NAS_CHECK(!view.empty() || view.elements() == 0, op, ": ", name, " is missing");
}

// Throws kInvalidArgument unless `view` is f32 or f64 and has data where it has elements.
inline void CheckFloat(const char* op, const char* name, const ConstView& view) {
  NAS_CHECK(view.dtype == DType::kF32 || view.dtype == DType::kF64, op, ": ", name, " is ",
            Name(view.dtype), ", expected f32 or f64");
  NAS_CHECK(!view.empty() || view.elements() == 0, op, ": ", name, " is missing");
}

// The same, with bf16 besides.
inline void CheckStorage(const char* op, const char* name, const ConstView& view) {
  if (view.dtype != DType::kBf16) return CheckFloat(op, name, view);
  NAS_CHECK(!view.empty() || view.elements() == 0, op, ": ", name, " is missing");
}

// Calls body(float{}) or body(double{}).
template <class Body>
void VisitFloat(DType dtype, const Body& body) {
  if (dtype == DType::kF64) {
    body(double{});
  } else {
    body(float{});
  }
}

template <class Op>
using KernelFunction = void (*)(Context&, const typename Op::Args&);

template <class Op>
void RegisterReference(KernelRegistry& registry, std::type_identity_t<KernelFunction<Op>> run) {
  KernelEntry<Op> entry;
  entry.impl = Impl::kReference;
  entry.name = "reference";
  entry.run = run;
  registry.Register(std::move(entry));
}

// A kernel of ours, which declines f64, told by the first output. `workspace_bytes` may be null.
template <class Op>
void RegisterOurs(KernelRegistry& registry, const std::string& name,
                  std::type_identity_t<KernelFunction<Op>> run,
                  std::size_t (*workspace_bytes)(Context&, const typename Op::Args&) = nullptr,
                  DeviceType device = DeviceType::kCpu) {
  KernelEntry<Op> entry;
  entry.impl = Impl::kOurs;
  entry.name = name;
  entry.device = device;
  entry.declines = [](Context&, const typename Op::Args& args) {
    typename Op::Args copy = args;
    const std::vector<View*> outputs = Op::Outputs(copy);
    const bool f64 = !outputs.empty() && outputs.front()->dtype == DType::kF64;
    return f64 ? std::string("f64 is for the reference") : std::string();
  };
  if (workspace_bytes != nullptr) entry.workspace_bytes = workspace_bytes;
  entry.run = run;
  registry.Register(std::move(entry));
}

}  // namespace nasengine
