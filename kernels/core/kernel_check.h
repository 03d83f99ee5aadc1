// Running a kernel beside the reference and comparing what they wrote: the body of check mode
// (`--kernels check`) and of the tests that hold every implementation against the reference.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/core/host_mirror.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine {

// Largest |a-b| that rounding explains for one element:
//   8 * eps_f32 * scale + 2 * eps_storage * |reference|, eps_f32 = 2^-23.
// The first term is what sums in f32 may differ by; stored as f32 it covers their rounding too. In
// bf16 both sides are rounded once more, each by at most half a unit in the last place, which is
// eps_storage = 2^-8 of a value just above a power of two: where two sums lie on both sides of a
// tie, however close, the stored values are neighbours, a whole unit apart.
double ComparisonTolerance(double error_scale, DType storage, double reference_value);

// Throws kInvalidArgument naming `what`, the first element out of tolerance (or not finite where
// the reference is), both values and the tolerance.
void CompareOutputs(const std::string& what, ConstView result, ConstView reference,
                    double error_scale);

namespace internal {

// Copies of an operator's outputs, taken before it runs and put in their place in `args`.
template <class Op>
std::vector<Tensor> RedirectOutputs(Context& context, typename Op::Args& args) {
  std::vector<Tensor> copies;
  for (View* output : Op::Outputs(args)) {
    if (output->empty()) {
      copies.emplace_back();
      continue;
    }
    Tensor copy = context.Empty(output->shape, output->dtype, MemoryCategory::kWorkspace);
    std::memcpy(copy.data(), output->data, static_cast<std::size_t>(output->bytes()));
    output->data = copy.data();
    copies.push_back(std::move(copy));
  }
  return copies;
}

}  // namespace internal

// The unit of rounding errors of every output of an operator on `args`: its ErrorScale, or, for an
// operator made of others, what its own ErrorScales finds by running them.
template <class Op>
std::vector<double> ErrorScales(Context& context, const typename Op::Args& args) {
  if constexpr (requires { Op::ErrorScales(context, args); }) {
    return Op::ErrorScales(context, args);
  } else {
    typename Op::Args copy = args;
    const std::vector<View*> outputs = Op::Outputs(copy);
    std::vector<double> scales;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      scales.push_back(outputs[i]->empty() ? 0 : Op::ErrorScale(args, static_cast<int>(i)));
    }
    return scales;
  }
}

namespace internal {

// Beside a reference on the host, where the device's memory is out of its reach.
template <class Op>
void RunCheckedOnHost(Context& context, const KernelEntry<Op>& entry,
                      const KernelEntry<Op>& reference, const typename Op::Args& args) {
  const std::unique_ptr<DeviceBackend> backend = MakeCpuBackend();
  CachingAllocator allocator(*backend);
  Context host(*backend, allocator, context.registry(), KernelPolicy(), context.threads());
  HostMirror<Op> expected(context.backend(), args);
  const std::vector<double> scales = ErrorScales<Op>(host, expected.args());
  reference.run(host, expected.args());
  entry.run(context, args);
  HostMirror<Op> found(context.backend(), args);
  const std::vector<View*> results = Op::Outputs(found.args());
  const std::vector<View*> references = Op::Outputs(expected.args());
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i]->empty()) continue;
    CompareOutputs(StrCat(Op::kName, " (", entry.name, ") output ", i), *results[i], *references[i],
                   scales[i]);
  }
}

}  // namespace internal

// Runs `reference` into copies, then `entry` in place, and compares every output.
template <class Op>
void RunChecked(Context& context, const KernelEntry<Op>& entry, const KernelEntry<Op>& reference,
                const typename Op::Args& args) {
  // A kernel of the CPU has its arguments on the host, whatever the context's device.
  const bool reachable = context.backend().host_visible();
  if (!reachable && entry.device == context.device().type) {
    return internal::RunCheckedOnHost<Op>(context, entry, reference, args);
  }
  if (!reachable) return entry.run(context, args);
  typename Op::Args reference_args = args;
  const std::vector<Tensor> expected = internal::RedirectOutputs<Op>(context, reference_args);
  const std::vector<double> scales = ErrorScales<Op>(context, args);
  reference.run(context, reference_args);
  entry.run(context, args);
  typename Op::Args result_args = args;
  const std::vector<View*> results = Op::Outputs(result_args);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!expected[i].defined()) continue;
    CompareOutputs(StrCat(Op::kName, " (", entry.name, ") output ", i), *results[i],
                   expected[i].view(), scales[i]);
  }
}

template <class Op>
std::unique_ptr<KernelRegistry::TableBase> KernelRegistry::Table<Op>::WithoutExecution() const {
  auto table = std::make_unique<Table<Op>>();
  for (KernelEntry<Op> entry : entries) {
    entry.run = [prepare = entry.workspace_bytes](Context& context, const typename Op::Args& args) {
      if (prepare) context.ReserveWorkspace(prepare(context, args));
    };
    table->entries.push_back(std::move(entry));
  }
  return table;
}

template <class Op>
std::unique_ptr<KernelRegistry::TableBase> KernelRegistry::Table<Op>::Checked() const {
  const KernelEntry<Op>* reference = nullptr;
  for (const KernelEntry<Op>& entry : entries) {
    if (entry.impl == Impl::kReference) reference = &entry;
  }
  NAS_CHECK(reference != nullptr, "check mode: ", Op::kName, " has no reference");
  auto table = std::make_unique<Table<Op>>();
  for (KernelEntry<Op> entry : entries) {
    if (entry.impl != Impl::kReference) {
      entry.run = [chosen = entry, truth = *reference](Context& context,
                                                       const typename Op::Args& args) {
        RunChecked<Op>(context, chosen, truth, args);
      };
    }
    table->entries.push_back(std::move(entry));
  }
  return table;
}

}  // namespace nasengine
