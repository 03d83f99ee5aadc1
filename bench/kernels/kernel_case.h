// One row of `bench kernels`: an operator on one shape, every implementation of it verified and
// then timed side by side.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/harness.h"
#include "bench/verify.h"
#include "bench/workbench.h"

namespace nasengine {

struct KernelTimes {
  std::optional<RobustSummary> ours;
  std::optional<RobustSummary> vendor;
  std::optional<RobustSummary> reference;
  // Between two entries of the same implementation in these rounds; a share.
  double noise = 0;
};

struct KernelTiming {
  TimingOptions rounds;
  bool with_reference = false;
  double terms = 1;  // of the case
};

struct KernelCase {
  std::string op;     // e.g. "depthwise_conv_forward"
  std::string shape;  // e.g. "k5 s1 56x56x144 n16"
  // Bytes that must cross memory, operations that must be done.
  double bytes = 0;
  double flops = 0;
  // That sum up to an element of the result.
  double terms = 1;
  // Of all tensors together, where some are moved more than once; 0: as `bytes`.
  double footprint_bytes = 0;
  std::function<KernelTimes(Workbench&, const KernelTiming&)> time;

  std::string name() const { return op + " " + shape; }
};

// "56x56x144 n16".
std::string ImageName(std::int64_t size, std::int64_t channels, std::int64_t n);

std::vector<KernelCase> DepthwiseCases();
std::vector<KernelCase> PointwiseCases();
std::vector<KernelCase> StemCases();
std::vector<KernelCase> NormCases();
std::vector<KernelCase> MbconvCases();
std::vector<KernelCase> SmallOperatorCases();

// oneDNN's depthwise backward-weights for any kernel size, which the program's table leaves out as
// too slow, so that the benchmark can show how slow.
struct DepthwiseConvBackwardWeights;
KernelEntry<DepthwiseConvBackwardWeights> UnguardedDepthwiseVendor();

namespace internal {

template <class Op>
void ReserveFor(Context& context, const KernelEntry<Op>& entry, const typename Op::Args& args) {
  if (entry.workspace_bytes) context.ReserveWorkspace(entry.workspace_bytes(context, args));
}

}  // namespace internal

// Verifies and times our and the vendor's implementation of Op on `args`. `extra_vendor` takes the
// vendor's place where the table's declines. Throws what verification throws.
template <class Op>
KernelTimes TimeOperator(Workbench& bench, const KernelTiming& timing,
                         const typename Op::Args& args,
                         const KernelEntry<Op>* extra_vendor = nullptr) {
  Context& context = bench.context();
  const KernelEntry<Op>* reference = nullptr;
  const KernelEntry<Op>* ours = nullptr;
  const KernelEntry<Op>* vendor = nullptr;
  const auto takes = [&](const KernelEntry<Op>& entry) {
    return !entry.declines || entry.declines(context, args).empty();
  };
  for (const KernelEntry<Op>& entry : bench.registry().template Entries<Op>()) {
    if (entry.impl == Impl::kReference) reference = &entry;
    if (entry.impl == Impl::kOurs && ours == nullptr && takes(entry)) ours = &entry;
    if (entry.impl == Impl::kVendor && vendor == nullptr && takes(entry)) vendor = &entry;
  }
  NAS_CHECK(reference != nullptr, "benchmark: ", Op::kName, " has no reference");
  if (vendor == nullptr && extra_vendor != nullptr && takes(*extra_vendor)) vendor = extra_vendor;

  std::vector<const KernelEntry<Op>*> entries;
  std::vector<std::optional<RobustSummary> KernelTimes::*> slots;
  for (const auto& [entry, slot] :
       {std::pair{ours, &KernelTimes::ours}, std::pair{vendor, &KernelTimes::vendor}}) {
    if (entry == nullptr) continue;
    internal::ReserveFor(context, *entry, args);
    entries.push_back(entry);
    slots.push_back(slot);
  }
  VerifyAgainstReference<Op>(context, entries, *reference, args, timing.terms);
  if (timing.with_reference) {
    entries.push_back(reference);
    slots.push_back(&KernelTimes::reference);
  }
  KernelTimes times;
  if (entries.empty()) return times;
  entries.push_back(entries.front());
  std::vector<Contender> contenders;
  for (const KernelEntry<Op>* entry : entries) {
    contenders.push_back({entry->name, [entry, &context, &args] { entry->run(context, args); }});
  }
  const std::vector<RobustSummary> summaries = TimeInterleaved(contenders, timing.rounds);
  for (std::size_t i = 0; i < slots.size(); ++i) times.*slots[i] = summaries[i];
  times.noise = SameAgainstSame(summaries.front(), summaries.back());
  return times;
}

}  // namespace nasengine
