// One row of `bench kernels`: an operator on one shape, every implementation of it verified and
// then timed side by side.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/harness.h"
#include "bench/verify.h"
#include "bench/workbench.h"

namespace nasengine {

struct KernelTimes {
  // Those that take the arguments; the reference where it is asked for.
  std::map<Impl, RobustSummary> of;
  // By whom the program itself would have the arguments served.
  Impl served = Impl::kReference;
  // Between two entries of the same implementation in these rounds; a share.
  double noise = 0;
  // The arguments as the kernel policy knows them, where it has a choice: several fast
  // implementations take them and the operator says its shapes.
  std::optional<KernelShape> choice;

  // Null where it was not timed.
  const RobustSummary* Find(Impl impl) const {
    const auto found = of.find(impl);
    return found == of.end() ? nullptr : &found->second;
  }
};

struct KernelTiming {
  TimingOptions rounds;
  bool with_reference = false;
  // Leaves arguments without a choice alone.
  bool only_choices = false;
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

// All of those below, by operator.
std::vector<KernelCase> AllKernelCases();
std::vector<KernelCase> DepthwiseCases();
std::vector<KernelCase> PointwiseCases();
std::vector<KernelCase> StemCases();
std::vector<KernelCase> NormCases();
std::vector<KernelCase> MbconvCases();
std::vector<KernelCase> FusedPointwiseCases();
std::vector<KernelCase> InferenceCases();
std::vector<KernelCase> SmallOperatorCases();

// oneDNN's depthwise backward-weights for any kernel size, which the program's table leaves out as
// too slow, so that the benchmark can show how slow.
struct DepthwiseConvBackwardWeights;
KernelEntry<DepthwiseConvBackwardWeights> UnguardedDepthwiseVendor();

// Two ways of doing what no operator does by itself, in turn, and ours again for the noise.
KernelTimes TimeBesideVendor(const KernelTiming& timing, const std::function<void()>& ours,
                             const std::function<void()>& vendor);

// Verifies and times every implementation of Op that takes `args`. `extra_vendor` takes the
// vendor's place where the table's declines. Throws what verification throws.
template <class Op>
KernelTimes TimeOperator(Workbench& bench, const KernelTiming& timing,
                         const typename Op::Args& args,
                         const KernelEntry<Op>* extra_vendor = nullptr) {
  Context& context = bench.context();
  std::map<Impl, const KernelEntry<Op>*> entries;  // the first of each
  const auto consider = [&](const KernelEntry<Op>& entry) {
    const bool here = entry.device == context.device().type || entry.impl == Impl::kReference;
    if (!here || (entry.declines && !entry.declines(context, args).empty())) return;
    entries.try_emplace(entry.impl, &entry);
  };
  for (const KernelEntry<Op>& entry : bench.registry().template Entries<Op>()) consider(entry);
  NAS_CHECK(entries.contains(Impl::kReference), "benchmark: ", Op::kName, " has no reference");
  const KernelEntry<Op>& reference = *entries.extract(Impl::kReference).mapped();
  KernelTimes times;
  if constexpr (HasShape<Op>) {
    if (entries.size() >= 2) times.choice = Op::ShapeOf(args);
  }
  if (timing.only_choices && !times.choice) return times;
  times.served = bench.registry().template Select<Op>(context, args).impl;
  if (extra_vendor != nullptr && bench.on_cpu()) consider(*extra_vendor);

  std::vector<const KernelEntry<Op>*> timed;
  for (const auto& [impl, entry] : entries) {
    if (entry->workspace_bytes) context.ReserveWorkspace(entry->workspace_bytes(context, args));
    timed.push_back(entry);
  }
  if (bench.backend().host_visible()) {
    VerifyAgainstReference<Op>(context, timed, reference, args, timing.terms);
    if (timing.with_reference) timed.push_back(&reference);
  } else {
    VerifyAgainstHost<Op>(context, timed, args, timing.terms);
  }
  if (timed.empty()) return times;
  timed.push_back(timed.front());
  std::vector<Contender> contenders;
  for (const KernelEntry<Op>* entry : timed) {
    contenders.push_back({entry->name, [entry, &context, &args] { entry->run(context, args); }});
  }
  TimingOptions rounds = timing.rounds;
  rounds.device = bench.clock();
  const std::vector<RobustSummary> summaries = TimeInterleaved(contenders, rounds);
  for (std::size_t i = 0; i < timed.size(); ++i) times.of.try_emplace(timed[i]->impl, summaries[i]);
  times.noise = SameAgainstSame(summaries.front(), summaries.back());
  return times;
}

}  // namespace nasengine
