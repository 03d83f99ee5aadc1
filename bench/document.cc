// SPDX-License-Identifier: MIT
#include "bench/document.h"

#include <fmt/format.h>
#include <sched.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/device_clocks.h"

namespace nasengine {
namespace {

// Processes that wanted to run during the last minute; above 1 somebody else is at work.
double LoadAverage() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : -1;
}

// A line of /proc/self/status. Unlike the usage that getrusage tells, it starts anew with a program
// and follows a reset.
std::int64_t StatusBytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kib = 0;
    if (word == key + ":" && status >> kib) return kib * 1024;
  }
  Throw(ErrorCode::kUnsupported, "/proc/self/status: no ", key);
}

}  // namespace

std::string VendorVersion() { return "oneDNN " NASENGINE_ONEDNN_VERSION; }

void CheckFolderOf(const std::string& flag, const std::string& file) {
  const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
  NAS_CHECK(std::filesystem::is_directory(folder), flag, " ", file, ": no folder ",
            folder.string());
}

bool IsRealTime() {
  const int policy = sched_getscheduler(0);
  return policy == SCHED_FIFO || policy == SCHED_RR;
}

std::int64_t ResidentBytes() { return StatusBytes("VmRSS"); }

std::int64_t ResidentPeakBytes() { return StatusBytes("VmHWM"); }

bool ResetResidentPeak() {
  std::FILE* file = std::fopen("/proc/self/clear_refs", "w");
  if (file == nullptr) return false;
  const bool written = std::fputs("5", file) >= 0;  // 5: the peak alone (man 5 proc)
  return (std::fclose(file) == 0) && written;
}

nlohmann::ordered_json MakeDocument(const std::string& benchmark, const Workbench& bench) {
  nlohmann::ordered_json document;
  document["benchmark"] = benchmark;
  document["machine"] = {{"device", bench.device_name()},  {"threads", bench.threads()},
                         {"pinned", bench.pinned()},       {"real_time", IsRealTime()},
                         {"load_average", LoadAverage()},  {"commit", NASENGINE_COMMIT},
                         {"compiler", NASENGINE_COMPILER}, {"onednn", NASENGINE_ONEDNN_VERSION}};
  if (!bench.on_cpu()) {
    document["machine"]["clocks"]["before"] = QueryClocks(bench.backend().device().ordinal);
  }
  document["rows"] = nlohmann::ordered_json::array();
  document["left_out"] = nlohmann::ordered_json::array();
  return document;
}

void RecordClocksAfter(const Workbench& bench, nlohmann::ordered_json& document) {
  if (bench.on_cpu()) return;
  document["machine"]["clocks"]["after"] = QueryClocks(bench.backend().device().ordinal);
}

void LeaveOut(const std::string& row, const std::string& why, nlohmann::ordered_json& document) {
  fmt::print(stderr, "{}: {}\n", row, why);
  document["left_out"].push_back({{"name", row}, {"why", why}});
}

nlohmann::ordered_json ToJson(const MachineLimits& limits) {
  return {{"copy_gbps", limits.copy_gbps},
          {"streaming_copy_gbps", limits.streaming_copy_gbps},
          {"cached_copy_gbps", limits.cached_copy_gbps},
          {"fma_gflops", limits.fma_gflops},
          {"cache_bytes", limits.cache_bytes}};
}

void PrintMachine(const Workbench& bench) {
  fmt::print("{}, {} thread(s){}, {}, load {:.1f}\ncommit {}, {}, {}\n", bench.device_name(),
             bench.threads(), bench.pinned() ? " pinned" : " not pinned",
             IsRealTime() ? "real-time priority" : "ordinary priority (chrt -f 1 steadies it)",
             LoadAverage(), NASENGINE_COMMIT, NASENGINE_COMPILER, VendorVersion());
}

void PrintLimits(const MachineLimits& limits) {
  fmt::print(
      "limits: copy {:.0f} GB/s, streaming {:.0f}, in cache ({:.0f} MiB) {:.0f}; "
      "f32 multiply-add {:.0f} GFLOP/s\n",
      limits.copy_gbps, limits.streaming_copy_gbps, limits.cache_bytes / 1048576.0,
      limits.cached_copy_gbps, limits.fma_gflops);
}

}  // namespace nasengine
