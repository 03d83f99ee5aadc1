// Where the time of a step goes: recorded repetitions of it as a table of operators, as JSON, and
// as a trace that Perfetto (ui.perfetto.dev) and chrome://tracing show.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/kernel_recorder.h"

namespace nasengine {

// The same step, several times.
struct RecordedStep {
  std::string name{};  // "weights"
  std::vector<RecordedWork> repetitions{};
};

// All runs of one implementation of an operator within a step.
struct OperatorProfile {
  std::string op{};
  std::string implementation{};
  std::int64_t calls = 0;
  double ms = 0;  // of all calls, median over the repetitions
  std::int64_t bytes = 0;
};

// The operators and `outside_ms` add up to `ms`; the operators' calls and bytes are the step's.
struct StepProfile {
  std::string step{};
  std::int64_t repetitions = 0;
  double ms = 0;
  double outside_ms = 0;  // in no operator, median over the repetitions
  std::int64_t calls = 0;
  std::int64_t bytes = 0;
  std::vector<OperatorProfile> operators{};  // the longest first
};

// Throws kInvalidArgument where there is no repetition, or where they ran unlike numbers of
// kernels and were not the same step.
StepProfile Summarize(const RecordedStep& step);

// A table for people, at most 100 columns wide.
std::string StepProfileText(const StepProfile& profile);
// {"steps": [{step, repetitions, ms, outside_ms, calls, bytes, operators}], "trace": `trace_path`}.
std::string StepProfilesJson(std::span<const StepProfile> profiles, const std::string& trace_path);

// The trace event format's JSON: a complete event ("X") for every step and within it one for every
// run, named by operator, implementation and shape. Times in microseconds since the first step.
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
std::string ChromeTrace(std::span<const RecordedStep> steps);

}  // namespace nasengine
