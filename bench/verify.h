// Nothing is timed before it is known to compute the right thing.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <vector>

#include "kernels/core/kernel_check.h"

namespace nasengine {

// Runs `reference` once and every entry of `entries` on copies of the outputs of `args`, and holds
// what they wrote against the reference. `terms` is how many sum up to an element. Throws what
// CompareOutputs throws.
//
// The tolerance is that of the tests times sqrt(terms), i.e. 8 eps * terms * RMS: a float sum that
// is formed term after term drifts with the number of terms and not with its root, and a training
// batch has hundreds of thousands of them where the tests' shapes have few. One missing term (an
// RMS) still shows up to a million terms.
template <class Op>
void VerifyAgainstReference(Context& context, std::span<const KernelEntry<Op>* const> entries,
                            const KernelEntry<Op>& reference, const typename Op::Args& args,
                            double terms = 1) {
  const double drift = std::sqrt(std::max(1.0, terms));
  typename Op::Args reference_args = args;
  const std::vector<Tensor> expected = internal::RedirectOutputs<Op>(context, reference_args);
  std::vector<double> scales = ErrorScales<Op>(context, args);
  for (double& scale : scales) scale *= drift;
  reference.run(context, reference_args);
  for (const KernelEntry<Op>* entry : entries) {
    typename Op::Args own_args = args;
    const std::vector<Tensor> results = internal::RedirectOutputs<Op>(context, own_args);
    entry->run(context, own_args);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!results[i].defined()) continue;
      CompareOutputs(StrCat(Op::kName, " (", entry->name, ") output ", i), results[i].view(),
                     expected[i].view(), scales[i]);
    }
  }
}

// The same for kernels of a device whose memory the host cannot read. The judge is what the CPU
// would have the arguments served by, itself held against the reference: the plain f64 loops take
// minutes for what a card is given. Both may differ from the truth, so that twice the tolerance is
// allowed.
template <class Op>
void VerifyAgainstHost(Context& context, std::span<const KernelEntry<Op>* const> entries,
                       const typename Op::Args& args, double terms = 1) {
  const std::unique_ptr<DeviceBackend> backend = MakeCpuBackend();
  CachingAllocator allocator(*backend);
  Context host(*backend, allocator, context.registry(), KernelPolicy(), context.threads());
  HostMirror<Op> expected(context.backend(), args);
  std::vector<double> scales = ErrorScales<Op>(host, expected.args());
  for (double& scale : scales) scale *= 2 * std::sqrt(std::max(1.0, terms));
  const HostMirror<Op> before(context.backend(), args);
  Dispatch<Op>(host, expected.args());
  for (const KernelEntry<Op>* entry : entries) {
    before.Restore(context.backend());
    entry->run(context, args);
    HostMirror<Op> found(context.backend(), args);
    const std::vector<View*> results = Op::Outputs(found.args());
    const std::vector<View*> judges = Op::Outputs(expected.args());
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i]->empty()) continue;
      CompareOutputs(StrCat(Op::kName, " (", entry->name, ") output ", i), *results[i], *judges[i],
                     scales[i]);
    }
  }
}

}  // namespace nasengine
