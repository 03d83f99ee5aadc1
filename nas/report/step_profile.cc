// SPDX-License-Identifier: MIT
#include "nas/report/step_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "kernels/core/error.h"
#include "nas/report/format.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;
using Clock = KernelRecorder::Clock;

double Ms(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}
double Us(Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double GbPerSecond(std::int64_t bytes, double ms) {
  return ms > 0 ? static_cast<double>(bytes) / (ms * 1e6) : 0;
}

double Share(double ms, const StepProfile& profile) { return profile.ms > 0 ? ms / profile.ms : 0; }

struct Sums {
  OperatorProfile profile;
  std::vector<double> ms;  // one a repetition
};

}  // namespace

StepProfile Summarize(const RecordedStep& step) {
  NAS_CHECK(!step.repetitions.empty(), "step profile: nothing recorded of ", step.name);
  const RecordedWork& first = step.repetitions.front();
  std::map<std::pair<std::string, std::string>, Sums> sums;
  std::vector<double> outside;
  for (std::size_t r = 0; r < step.repetitions.size(); ++r) {
    const RecordedWork& work = step.repetitions[r];
    NAS_CHECK(work.runs.size() == first.runs.size(), "step profile: repetition ", r + 1, " of ",
              step.name, " ran ", work.runs.size(), " kernels, the first ", first.runs.size());
    double inside = 0;
    for (const KernelRun& run : work.runs) {
      Sums& sum = sums[{run.op, run.implementation}];
      sum.ms.resize(step.repetitions.size());
      sum.ms[r] += Ms(run.end - run.begin);
      inside += Ms(run.end - run.begin);
      if (r > 0) continue;
      sum.profile.calls += 1;
      sum.profile.bytes += run.bytes;
    }
    outside.push_back(Ms(work.end - work.begin) - inside);
  }
  StepProfile profile{.step = step.name,
                      .repetitions = static_cast<std::int64_t>(step.repetitions.size()),
                      .outside_ms = Median(outside)};
  profile.ms = profile.outside_ms;
  for (auto& [key, sum] : sums) {
    std::tie(sum.profile.op, sum.profile.implementation) = key;
    sum.profile.ms = Median(sum.ms);
    profile.ms += sum.profile.ms;
    profile.calls += sum.profile.calls;
    profile.bytes += sum.profile.bytes;
    profile.operators.push_back(sum.profile);
  }
  std::ranges::stable_sort(profile.operators, std::ranges::greater(), &OperatorProfile::ms);
  return profile;
}

std::string StepProfileText(const StepProfile& profile) {
  std::string text = fmt::format(
      "\n  step: {}, median of {}\n\n  {:<32}{:<11}{:>6}{:>10}{:>8}{:>12}{:>8}\n", profile.step,
      profile.repetitions, "operator", "kernel", "calls", "ms", "share", "moved", "GB/s");
  const auto add = [&](const std::string& name, const std::string& implementation,
                       std::int64_t calls, double ms, std::int64_t bytes) {
    text += fmt::format("  {:<32}{:<11}{:>6}{:>10.3f}{:>6.1f} %{:>12}{:>8.1f}\n", name,
                        implementation, calls, ms, 100 * Share(ms, profile), FormatBytes(bytes),
                        GbPerSecond(bytes, ms));
  };
  for (const OperatorProfile& one : profile.operators) {
    add(one.op, one.implementation, one.calls, one.ms, one.bytes);
  }
  add("all operators", "", profile.calls, profile.ms - profile.outside_ms, profile.bytes);
  text += fmt::format("  {:<49}{:>10.3f}{:>6.1f} %\n", "outside operators", profile.outside_ms,
                      100 * Share(profile.outside_ms, profile));
  return text;
}

std::string StepProfilesJson(std::span<const StepProfile> profiles, const std::string& trace_path) {
  Json steps = Json::array();
  for (const StepProfile& profile : profiles) {
    Json operators = Json::array();
    for (const OperatorProfile& one : profile.operators) {
      operators.push_back({{"operator", one.op},
                           {"implementation", one.implementation},
                           {"calls", one.calls},
                           {"ms", one.ms},
                           {"share", Share(one.ms, profile)},
                           {"bytes", one.bytes},
                           {"gbps", GbPerSecond(one.bytes, one.ms)}});
    }
    steps.push_back({{"step", profile.step},
                     {"repetitions", profile.repetitions},
                     {"ms", profile.ms},
                     {"outside_ms", profile.outside_ms},
                     {"calls", profile.calls},
                     {"bytes", profile.bytes},
                     {"operators", std::move(operators)}});
  }
  return Json{{"steps", std::move(steps)}, {"trace", trace_path}}.dump(2) + "\n";
}

std::string ChromeTrace(std::span<const RecordedStep> steps) {
  Json events = Json::array();
  Clock::time_point start = Clock::time_point::max();
  for (const RecordedStep& step : steps) {
    for (const RecordedWork& work : step.repetitions) start = std::min(start, work.begin);
  }
  const auto add = [&](std::string name, const char* category, Clock::time_point begin,
                       Clock::time_point end, Json args) {
    events.push_back({{"name", std::move(name)},
                      {"cat", category},
                      {"ph", "X"},
                      {"ts", Us(begin - start)},
                      {"dur", Us(end - begin)},
                      {"pid", 1},
                      {"tid", 1},
                      {"args", std::move(args)}});
  };
  for (const RecordedStep& step : steps) {
    for (std::size_t r = 0; r < step.repetitions.size(); ++r) {
      const RecordedWork& work = step.repetitions[r];
      add(step.name, "step", work.begin, work.end, {{"repetition", r + 1}});
      for (const KernelRun& run : work.runs) {
        add(fmt::format("{} {} {}", run.op, run.implementation, run.shape), "kernel", run.begin,
            run.end, {{"bytes", run.bytes}});
      }
    }
  }
  return Json{{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}}.dump() + "\n";
}

}  // namespace nasengine
