// `bench kernels`: every operator on the shapes of the built-in spaces, ours beside the vendor's.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "bench/commands.h"
#include "bench/document.h"
#include "bench/kernels/kernel_case.h"

namespace nasengine {

std::string ImageName(std::int64_t size, std::int64_t channels, std::int64_t n) {
  return StrCat(size, "x", size, "x", channels, " n", n);
}

KernelTimes TimeBesideVendor(const KernelTiming& timing, const std::function<void()>& ours,
                             const std::function<void()>& vendor) {
  const std::vector<RobustSummary> ms = TimeInterleaved(
      std::vector<Contender>{{"ours", ours}, {"vendor", vendor}, {"ours again", ours}},
      timing.rounds);
  return {.of = {{Impl::kOurs, ms[0]}, {Impl::kVendor, ms[1]}},
          .served = Impl::kOurs,
          .noise = SameAgainstSame(ms[0], ms[2]),
          .choice = {}};
}

std::vector<KernelCase> AllKernelCases() {
  std::vector<KernelCase> all;
  for (auto make : {DepthwiseCases, PointwiseCases, StemCases, NormCases, MbconvCases,
                    FusedPointwiseCases, InferenceCases, SmallOperatorCases}) {
    for (KernelCase& one : make()) all.push_back(std::move(one));
  }
  // Rows of one operator together, operators in the order in which they come first.
  std::map<std::string, std::size_t> order;
  for (const KernelCase& one : all) order.try_emplace(one.op, order.size());
  std::ranges::stable_sort(all, {}, [&](const KernelCase& one) { return order.at(one.op); });
  return all;
}

namespace {

using Json = nlohmann::ordered_json;

// One of every operator before a second of any, so that where time ends no operator goes without.
std::vector<KernelCase> InTurn(std::vector<KernelCase> cases) {
  std::map<std::string, int> taken;
  std::vector<std::pair<int, KernelCase>> ranked;
  for (KernelCase& one : cases) {
    const int rank = taken[one.op]++;
    ranked.emplace_back(rank, std::move(one));
  }
  std::ranges::stable_sort(ranked, {}, &std::pair<int, KernelCase>::first);
  cases.clear();
  for (auto& [rank, one] : ranked) cases.push_back(std::move(one));
  return cases;
}

std::vector<KernelCase> WantedCases(const BenchOptions& options) {
  const std::regex filter(options.filter);
  std::vector<KernelCase> cases;
  for (KernelCase& one : AllKernelCases()) {
    if (std::regex_search(one.name(), filter)) cases.push_back(std::move(one));
  }
  return options.deadline.comes() ? InTurn(std::move(cases)) : cases;
}

double FloorOf(const KernelCase& one, const MachineLimits& limits) {
  return FloorMs(limits,
                 {.bytes = one.bytes,
                  .flops = one.flops,
                  .footprint_bytes = one.footprint_bytes > 0 ? one.footprint_bytes : one.bytes});
}

Json Ms(const RobustSummary* summary) {
  return summary != nullptr ? Json(summary->median) : Json(nullptr);
}

Json ToRow(const KernelCase& one, const KernelTimes& times, const MachineLimits& limits) {
  const double floor_ms = FloorOf(one, limits);
  const RobustSummary* ours = times.Find(Impl::kOurs);
  const RobustSummary* vendor = times.Find(Impl::kVendor);
  const RobustSummary* served = times.Find(times.served);
  Json row = {{"name", one.name()},      {"ms_ours", Ms(ours)},
              {"ms_vendor", Ms(vendor)}, {"ms_reference", Ms(times.Find(Impl::kReference))},
              {"bytes", one.bytes},      {"flops", one.flops},
              {"floor_ms", floor_ms}};
  row["served"] = Name(times.served);
  if (served == nullptr) return row;
  row["share_of_floor"] = floor_ms / served->median;
  row["mad_ms_ours"] = ours != nullptr ? Json(ours->mad) : Json(nullptr);
  row["mad_ms_vendor"] = vendor != nullptr ? Json(vendor->mad) : Json(nullptr);
  row["rounds"] = served->count;
  row["same_against_same"] = times.noise;
  row["gbps"] = one.bytes / (served->median * 1e6);
  row["gflops"] = one.flops / (served->median * 1e6);
  return row;
}

std::string Cell(const RobustSummary* summary) {
  return summary != nullptr ? fmt::format("{:8.3f}", summary->median) : fmt::format("{:>8}", "-");
}

void PrintHead(const std::string& op, bool reference) {
  fmt::print("\n{}\n{:<22}{:>8}{:>5}{:>8}{}{:>8}{:>6}{:>6}{:>6}{:>6}{:>5}\n", op, "  ms", "ours",
             "±%", "vendor", reference ? fmt::format("{:>9}", "ref") : "", "floor", "of%", "v/o",
             "GB/s", "GF/s", "s/s%");
}

void PrintRow(const KernelCase& one, const KernelTimes& times, double floor_ms, bool reference) {
  const RobustSummary* ours = times.Find(Impl::kOurs);
  const RobustSummary* vendor = times.Find(Impl::kVendor);
  const RobustSummary* served = times.Find(times.served);
  if (served == nullptr) return;
  fmt::print(
      "  {:<20}{}{:>5.1f}{}{}{:8.3f}{:>6.0f}{}{:>6.0f}{:>6.0f}{:>5.1f}\n", one.shape, Cell(ours),
      100 * served->mad / served->median, Cell(vendor),
      reference ? " " + Cell(times.Find(Impl::kReference)) : "", floor_ms,
      100 * floor_ms / served->median,
      ours != nullptr && vendor != nullptr ? fmt::format("{:6.2f}", vendor->median / ours->median)
                                           : fmt::format("{:>6}", "-"),
      one.bytes / (served->median * 1e6), one.flops / (served->median * 1e6), 100 * times.noise);
  std::fflush(stdout);
}

// For a device that is not here: what its kernels cannot be faster than, and no measurement.
Json FloorsAlone(const BenchOptions& options) {
  const auto gbps = static_cast<double>(options.floor_gbps);
  const MachineLimits limits{.copy_gbps = gbps, .streaming_copy_gbps = gbps};
  Json document = {{"benchmark", "kernels"}, {"floor_gbps", gbps}, {"rows", Json::array()}};
  for (const KernelCase& one : WantedCases(options)) {
    const double floor_ms = FloorOf(one, limits);
    document["rows"].push_back(
        {{"name", one.name()}, {"bytes", one.bytes}, {"flops", one.flops}, {"floor_ms", floor_ms}});
    if (!options.json) fmt::print("{:<52} floor {:9.5f} ms\n", one.name(), floor_ms);
  }
  return document;
}

}  // namespace

std::vector<std::string> KernelRowNames(const BenchOptions& /*options*/) {
  std::vector<std::string> names;
  for (const KernelCase& one : AllKernelCases()) names.push_back(one.name());
  return names;
}

Json BenchKernels(const BenchOptions& options) {
  if (!options.write_policy.empty()) return BenchPolicy(options);
  if (options.floor_gbps > 0) return FloorsAlone(options);
  Workbench bench(options.threads, options.device);
  const MachineLimits limits = MeasureLimits(bench.context());
  bench.allocator().ReleaseCached();
  Json document = MakeDocument("kernels", bench);
  document["limits"] = ToJson(limits);
  if (!options.json) {
    PrintMachine(bench);
    PrintLimits(limits);
  }
  KernelTiming timing;
  timing.with_reference = options.reference;
  if (options.rounds > 0) {
    timing.rounds.min_rounds = options.rounds;
    timing.rounds.max_rounds = options.rounds;
  }
  std::string op;
  for (const KernelCase& one : WantedCases(options)) {
    if (options.deadline.passed()) {
      LeaveOut(one.name(), kNoTimeLeft, document);
      continue;
    }
    timing.terms = one.terms;
    KernelTimes times;
    try {
      times = one.time(bench, timing);
    } catch (const Error& error) {
      if (!options.go_on) throw;
      LeaveOut(one.name(), error.what(), document);
      continue;
    }
    if (times.of.empty()) continue;  // nothing that this device does by itself
    document["rows"].push_back(ToRow(one, times, limits));
    if (options.json) continue;
    if (one.op != op) PrintHead(one.op, options.reference);
    op = one.op;
    PrintRow(one, times, FloorOf(one, limits), options.reference);
  }
  RecordClocksAfter(bench, document);
  return document;
}

}  // namespace nasengine
