// Operators that are made of others: their parts run by their references, by whatever the policy
// gives each of them, only prepared, or measured.
//
// A composition is a type with a static Run(context, how, args), which calls
// how.template Run<Part>(context, part_args) for one part after another.
// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <vector>

#include "kernels/core/bfloat16.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine::composition {

// How each part is run.
struct ByPolicy {
  template <class Op>
  void Run(Context& context, const typename Op::Args& args) {
    Dispatch<Op>(context, args);
  }
};

struct ByReference {
  template <class Op>
  void Run(Context& context, const typename Op::Args& args) {
    context.registry().template Entry<Op>(Impl::kReference).run(context, args);
  }
};

// Runs nothing, but sees to the scratch that running by policy would need.
struct Preparing {
  template <class Op>
  void Run(Context& context, const typename Op::Args& args) {
    const KernelEntry<Op>& entry = context.registry().template Select<Op>(context, args);
    if (entry.workspace_bytes) context.ReserveWorkspace(entry.workspace_bytes(context, args));
  }
};

// Runs the references and notes how much rounding each result allows: the operator's own unit, once
// for itself and once for each operator before it, whose errors it passes on; the sum of these
// where several write one tensor. In bf16 every term of what comes after the first may differ by a
// rounding to bf16, of a tensor that one implementation stores and another never does.
struct Measuring {
  template <class Op>
  void Run(Context& context, const typename Op::Args& args) {
    ++operators;
    const double roundings = operators > 1 && dtype == DType::kBf16 ? kBf16Roundings : 1;
    typename Op::Args copy = args;
    const std::vector<View*> outputs = Op::Outputs(copy);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i]->empty()) continue;
      scales[outputs[i]->data] += roundings * operators * Op::ErrorScale(args, static_cast<int>(i));
    }
    context.registry().template Entry<Op>(Impl::kReference).run(context, args);
  }

  // How many times half a unit in the last place of bf16 the comparison's 8 f32 epsilons are.
  static constexpr double kBf16Roundings = 0x1p-9 / (8 * 0x1p-23);

  DType dtype;
  int operators = 0;
  std::map<const void*, double> scales{};
};

inline Tensor Temporary(Context& context, const Shape& shape, DType dtype) {
  return context.Empty(shape, dtype, MemoryCategory::kActivations);
}

template <class Op, class Composition, class How>
void RunComposed(Context& context, const typename Op::Args& args) {
  How how;
  Composition::Run(context, how, args);
}

// How: ByPolicy, on any device, or ByReference.
template <class Op, class Composition, class How>
void Register(KernelRegistry& registry, Impl impl, const char* name,
              DeviceType device = DeviceType::kCpu) {
  registry.Register(KernelEntry<Op>{.impl = impl,
                                    .name = name,
                                    .device = device,
                                    .declines = nullptr,
                                    .workspace_bytes =
                                        [](Context& context, const typename Op::Args& args) {
                                          RunComposed<Op, Composition, Preparing>(context, args);
                                          return context.workspace_bytes();
                                        },
                                    .run = RunComposed<Op, Composition, How>});
}

// The body of Op::ErrorScales; `dtype` is the type of the images.
template <class Op, class Composition>
std::vector<double> MeasureScales(Context& context, const typename Op::Args& args, DType dtype) {
  typename Op::Args own = args;
  const std::vector<Tensor> copies = internal::RedirectOutputs<Op>(context, own);
  Measuring how{.dtype = dtype};
  Composition::Run(context, how, own);
  std::vector<double> scales;
  for (const Tensor& copy : copies) scales.push_back(copy.defined() ? how.scales[copy.data()] : 0);
  return scales;
}

}  // namespace nasengine::composition
