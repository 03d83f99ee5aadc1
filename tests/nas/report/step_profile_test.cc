// The profile of a step: that its parts add up, and what table, JSON and trace say of it.
// SPDX-License-Identifier: MIT
#include "nas/report/step_profile.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

using std::chrono::microseconds;
using TimePoint = KernelRecorder::Clock::time_point;

TimePoint At(int us) { return TimePoint(microseconds(us)); }

// One repetition that begins at `start`: two depthwise runs, one addition, the rest outside.
RecordedWork Work(int start, int depthwise_us, int add_us, int outside_us) {
  const auto run = [](const char* op, const char* implementation, std::int64_t bytes, int begin,
                      int us) {
    return KernelRun{.op = op,
                     .implementation = implementation,
                     .shape = "8x4",
                     .bytes = bytes,
                     .begin = At(begin),
                     .end = At(begin + us)};
  };
  const int end = start + 2 * depthwise_us + add_us + outside_us;
  return {.begin = At(start),
          .end = At(end),
          .runs = {run("depthwise_conv_forward", "highway", 3000, start, depthwise_us),
                   run("add", "highway", 600, start + depthwise_us, add_us),
                   run("depthwise_conv_forward", "highway", 5000, start + depthwise_us + add_us,
                       depthwise_us)}};
}

RecordedStep Step() {
  return {.name = "weights",
          .repetitions = {Work(100, 1000, 500, 200), Work(9000, 3000, 400, 100),
                          Work(20000, 2000, 600, 300)}};
}

TEST(StepProfileTest, TakesMediansThatAddUp) {
  const StepProfile profile = Summarize(Step());
  EXPECT_EQ(profile.repetitions, 3);
  ASSERT_EQ(profile.operators.size(), 2u);
  const OperatorProfile& first = profile.operators[0];
  EXPECT_EQ(first.op, "depthwise_conv_forward");
  EXPECT_EQ(first.calls, 2);
  EXPECT_DOUBLE_EQ(first.ms, 4.0);  // of both calls: 2, 6, 4
  EXPECT_EQ(first.bytes, 8000);
  const OperatorProfile& second = profile.operators[1];
  EXPECT_EQ(second.op, "add");
  EXPECT_DOUBLE_EQ(second.ms, 0.5);
  EXPECT_NEAR(profile.outside_ms, 0.2, 1e-12);
  EXPECT_DOUBLE_EQ(profile.ms, first.ms + second.ms + profile.outside_ms);
  EXPECT_EQ(profile.calls, 3);
  EXPECT_EQ(profile.bytes, 8600);
}

// With equal repetitions nothing is lost to the medians: the parts are the step.
TEST(StepProfileTest, EqualRepetitionsAddUpToTheStep) {
  const RecordedStep step{.name = "weights",
                          .repetitions = {Work(0, 700, 90, 11), Work(5000, 700, 90, 11)}};
  const StepProfile profile = Summarize(step);
  EXPECT_NEAR(profile.ms, 2 * 0.7 + 0.09 + 0.011, 1e-12);
  EXPECT_NEAR(profile.outside_ms, 0.011, 1e-12);
}

TEST(StepProfileTest, KeepsImplementationsApart) {
  RecordedStep step = Step();
  for (RecordedWork& work : step.repetitions) work.runs[2].implementation = "onednn";
  const StepProfile profile = Summarize(step);
  ASSERT_EQ(profile.operators.size(), 3u);
  EXPECT_EQ(profile.operators[0].calls, 1);
  EXPECT_NE(profile.operators[0].implementation, profile.operators[1].implementation);
}

TEST(StepProfileTest, RefusesWhatIsNotOneStep) {
  EXPECT_THROW(Summarize({.name = "weights"}), Error);
  RecordedStep step = Step();
  step.repetitions[1].runs.pop_back();
  try {
    Summarize(step);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "step profile: repetition 2 of weights ran 2 kernels, the first 3");
  }
}

TEST(StepProfileTest, TableFitsTheScreenAndSaysRates) {
  const std::string text = StepProfileText(Summarize(Step()));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
  // 8000 bytes in 4 ms are 0.002 GB/s; 4 of 4.7 ms.
  EXPECT_NE(text.find("depthwise_conv_forward          highway         2     4.000  85.1 %"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("outside operators"), std::string::npos);
}

TEST(StepProfileTest, JsonHasTheSameNumbers) {
  const StepProfile profile = Summarize(Step());
  const auto json = nlohmann::json::parse(StepProfilesJson({&profile, 1}, "a/trace.json"));
  EXPECT_EQ(json["trace"], "a/trace.json");
  const auto& step = json["steps"][0];
  EXPECT_EQ(step["step"], "weights");
  double ms = step["outside_ms"];
  std::int64_t bytes = 0;
  for (const auto& one : step["operators"]) {
    ms += one["ms"].get<double>();
    bytes += one["bytes"].get<std::int64_t>();
  }
  EXPECT_DOUBLE_EQ(ms, step["ms"]);
  EXPECT_EQ(bytes, step["bytes"]);
  EXPECT_NEAR(step["operators"][0]["gbps"], 0.002, 1e-9);
}

TEST(StepProfileTest, TraceHoldsEveryRunWithinItsStep) {
  const RecordedStep step = Step();
  const auto trace = nlohmann::json::parse(ChromeTrace({&step, 1}));
  const auto& events = trace["traceEvents"];
  ASSERT_EQ(events.size(), 12u);
  for (const auto& event : events) EXPECT_EQ(event["ph"], "X");
  EXPECT_EQ(events[0]["name"], "weights");
  EXPECT_EQ(events[0]["ts"], 0.0);
  EXPECT_EQ(events[0]["dur"], 2700.0);
  EXPECT_EQ(events[1]["name"], "depthwise_conv_forward highway 8x4");
  EXPECT_EQ(events[1]["args"]["bytes"], 3000);
  EXPECT_EQ(events[4]["ts"], 8900.0);  // the second repetition
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_GE(events[i]["ts"], events[0]["ts"]);
    EXPECT_LE(events[i]["ts"].get<double>() + events[i]["dur"].get<double>(),
              events[0]["dur"].get<double>());
  }
}

}  // namespace
}  // namespace nasengine
