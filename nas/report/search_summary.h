// What a search found, as plain numbers: the source of summary.json and of the last screen.
//
// Latency in ms, memory in bytes, times in seconds, accuracy in percent.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nas/space/cost_unit.h"
#include "nas/space/network_desc.h"

namespace nasengine {

struct LatencySummary {
  // What the numbers are but for the measured ones, which are always ms.
  CostUnit cost{};
  double expected = 0;   // of the final path probabilities
  double predicted = 0;  // of the derived network, by the table
  double measured = 0;   // of the derived network, as a whole; 0 where the table is not of this
                         // device and as many threads
  double measured_mad = 0;
  double sum_of_layers = 0;  // the sum of its layers, timed in the same rounds as the whole
  double reference = 0;
  double initial_expected = 0;  // at the start of the search
  std::string table;            // where the table is from
};

struct PeakBytes {
  std::int64_t total = 0;
  std::int64_t weights = 0;
  std::int64_t gradients = 0;
  std::int64_t optimizer = 0;
  std::int64_t activations = 0;
  std::int64_t workspace = 0;
  std::int64_t data = 0;
};

struct PhaseSeconds {
  double profile = 0;
  double warmup = 0;
  double search = 0;
  double train = 0;
  double total = 0;
};

// A network trained the same way for comparison.
struct BaselineSummary {
  std::string kind;  // "found", "uniform 5x5_MBConv3", "largest MACs within", "random within 5 %"
  std::vector<std::string> architecture;
  std::int64_t parameters = 0;
  std::int64_t macs = 0;
  double predicted_ms = 0;
  double measured_ms = 0;
  double validation_top1 = 0;
  double test_top1 = 0;
};

// What the search's health monitor found.
struct WarningSummary {
  std::string name;
  std::string finding;
  std::string advice;
};

struct SearchSummary {
  std::string algorithm;
  std::uint32_t seed = 0;
  std::string device;       // "cpu"
  std::string device_name;  // "AMD EPYC ..."
  int threads = 0;
  std::string dtype = "f32";
  std::string data;
  std::string space;
  double width = 1.0;  // multiplier of the space's channels
  std::string objective;
  std::int64_t steps = 0;               // weight steps of warm-up and search
  std::int64_t architecture_steps = 0;  // updates of the alphas
  NetworkDesc network;                  // its `architecture` is the key of that name
  std::int64_t parameters = 0;
  std::int64_t macs = 0;
  LatencySummary latency_ms;
  std::optional<double> validation_top1;  // none where a stop came first
  std::optional<double> test_top1;
  double supernet_top1 = 0;  // of the derived path with shared weights, on the held-out images
  double initial_entropy = 0;
  double final_entropy = 0;
  PeakBytes peak_bytes;  // of the search, validations after epochs included
  std::int64_t planned_peak_bytes = 0;
  // What keeping all candidates would take, planned; 0 where the algorithm does that.
  std::int64_t all_paths_peak_bytes = 0;
  PhaseSeconds seconds;
  std::vector<WarningSummary> warnings{};
  std::vector<BaselineSummary> baselines;
  bool stopped = false;  // by Ctrl-C: the numbers are of what was done
};

}  // namespace nasengine
