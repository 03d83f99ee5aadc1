// The benchmarks that the program offers. Each prints a table, or nothing where it is asked for a
// document, which it returns either way.
// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bench/deadline.h"
#include "kernels/core/tensor.h"

namespace nasengine {

struct BenchOptions {
  // Regular expression; rows whose name it is found in are run. Empty: all.
  std::string filter;
  bool json = false;
  int threads = 1;
  std::string device = "cpu";
  // Times the plain f64 loops too, which takes long.
  bool reference = false;
  // Names of spaces or their files; empty: all that are built in.
  std::vector<std::string> spaces;
  std::vector<std::string> SpacesOr(const std::vector<std::string>& usual) const {
    return spaces.empty() ? usual : spaces;
  }
  // That steps compute in, f32 or bf16.
  DType dtype = DType::kF32;
  // Images of a batch; 0: what each space is measured with by default.
  std::int64_t batch = 0;
  // Rounds of a step; 0: enough for a steady median.
  int rounds = 0;
  // Of all parts of `all` together; 0: what main.cc says.
  int seconds = 0;
  // Where the document of `all` goes; empty: nowhere.
  std::string out;
  // Rows that would start later are left out.
  Deadline deadline{};
  // Whether a row that fails is left out, and said, in place of ending the run.
  bool go_on = false;
  int RoundsOr(int usual) const { return rounds > 0 ? rounds : usual; }
  // Where memory's picture goes; empty: nowhere.
  std::string svg;
  // step: where its time goes, operator by operator, in place of its time; and where the trace of
  // it goes, empty: nowhere.
  bool profile_step = false;
  std::string trace;
  // The framework to compare with, pytorch (step, memory) or onnxruntime (inference), empty: none;
  // the Python that has it.
  std::string peer;
  std::string python = "python3";
  // Where the kernel policy measured here goes; empty: none is measured.
  std::string write_policy;
  // kernels: nothing is run, and the floor of every row printed for a device that moves so much.
  int floor_gbps = 0;
  // Accuracies of trained networks.
  std::string table;
};

nlohmann::ordered_json BenchKernels(const BenchOptions& options);
// Times what the kernel policy chooses among and writes its file.
nlohmann::ordered_json BenchPolicy(const BenchOptions& options);
nlohmann::ordered_json BenchStep(const BenchOptions& options);
nlohmann::ordered_json BenchInference(const BenchOptions& options);
nlohmann::ordered_json BenchMemory(const BenchOptions& options);
nlohmann::ordered_json BenchTable(const BenchOptions& options);

// What the filter is held against: the names of the rows that a benchmark may run, of memory those
// of the spaces.
std::vector<std::string> KernelRowNames(const BenchOptions& options);
std::vector<std::string> StepRowNames(const BenchOptions& options);
std::vector<std::string> InferenceRowNames(const BenchOptions& options);
std::vector<std::string> MemoryRowNames(const BenchOptions& options);
std::vector<std::string> TableRowNames(const BenchOptions& options);

}  // namespace nasengine
