// `bench kernels --write-policy`: which implementation serves which operator on this machine, as a
// file that the program is built with.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/commands.h"
#include "bench/document.h"
#include "bench/kernels/kernel_case.h"
#include "bench/policy_rows.h"
#include "kernels/core/file_io.h"
#include "kernels/core/kernel_policy_file.h"

namespace nasengine {
namespace {

// Every shape with a choice, on the bench's threads.
std::vector<MeasuredChoice> MeasureChoices(Workbench& bench, const BenchOptions& options) {
  KernelTiming timing{.rounds = {.seconds = 0.2}, .only_choices = true};
  if (options.rounds > 0) {
    timing.rounds.min_rounds = options.rounds;
    timing.rounds.max_rounds = options.rounds;
  }
  const ThreadClass threads = bench.threads() == 1 ? ThreadClass::kOne : ThreadClass::kMore;
  std::vector<MeasuredChoice> measured;
  for (const KernelCase& one : AllKernelCases()) {
    timing.terms = one.terms;
    const KernelTimes times = one.time(bench, timing);
    if (!times.choice) continue;
    MeasuredChoice choice{
        .op = one.op, .shape = *times.choice, .threads = threads, .noise = times.noise};
    std::string line = fmt::format("  {:<52}", one.name());
    for (const auto& [impl, time] : times.of) {
      choice.ms.emplace_back(impl, time.median);
      line += fmt::format("  {} {:.3f}", Name(impl), time.median);
    }
    measured.push_back(std::move(choice));
    if (options.json) continue;
    fmt::print("{} ms, s/s {:.1f} %\n", line, 100 * times.noise);
    std::fflush(stdout);
  }
  return measured;
}

nlohmann::ordered_json ToRow(const KernelPolicyRow& row) {
  const KernelShape& s = row.shape;
  return {{"operator", row.op}, {"dtype", Name(s.dtype)}, {"threads", Name(row.threads)},
          {"kernel", s.kernel}, {"stride", s.stride},     {"width", s.width},
          {"rows", s.rows},     {"c_in", s.c_in},         {"c_out", s.c_out},
          {"gain", row.gain},   {"noise", row.noise},     {"order", ToString(row.order)}};
}

}  // namespace

nlohmann::ordered_json BenchPolicy(const BenchOptions& options) {
  NAS_CHECK(options.filter.empty(), "--write-policy: found --filter '", options.filter,
            "', expected none, since the file holds every shape");
  CheckFolderOf("--write-policy", options.write_policy);
  KernelPolicyTable table;
  table.vendor = VendorVersion();
  table.threads = options.threads;
  nlohmann::ordered_json document;
  // The larger team first: a thread that is pinned to a core may use no other afterwards.
  std::vector<int> teams{options.threads};
  if (options.threads > 1) teams.push_back(1);
  for (const int threads : teams) {
    Workbench bench(threads, options.device);
    if (document.empty()) document = MakeDocument("kernels", bench);
    if (!options.json) PrintMachine(bench);
    const std::vector<std::string> capabilities = bench.backend().capabilities();
    NAS_CHECK(!capabilities.empty(), "benchmark: ", bench.device_name(),
              " has none of the instruction sets that a kernel policy is made for");
    table.capability = capabilities.front();
    table.device = bench.device_name();
    for (KernelPolicyRow& row : DecideRows(MeasureChoices(bench, options))) {
      table.rows.push_back(std::move(row));
    }
  }
  WriteFileAtomically(options.write_policy, KernelPolicyText(table));
  std::size_t displaced = 0;
  for (const KernelPolicyRow& row : table.rows) {
    displaced += row.order.front() == kImpls.front() ? 0 : 1;
    document["rows"].push_back(ToRow(row));
  }
  if (!options.json) {
    fmt::print("\n{} of {} rows do not begin with {}: {}\n", displaced, table.rows.size(),
               Name(kImpls.front()), options.write_policy);
  }
  return document;
}

}  // namespace nasengine
