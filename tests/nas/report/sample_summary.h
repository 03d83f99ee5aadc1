// A summary with a number of its own in every field.
// SPDX-License-Identifier: MIT
#pragma once

#include "nas/report/search_summary.h"
#include "nas/space/counts.h"
#include "nas/space/space_file.h"

namespace nasengine {

inline SearchSummary SampleSummary() {
  const SearchSpace space = LoadSpace("fashion");
  SearchSummary summary{
      .algorithm = "proxyless-g",
      .seed = 3,
      .device = "cpu",
      .device_name = "Some CPU",
      .threads = 2,
      .dtype = "f32",
      .data = "fashion-mnist",
      .space = "fashion",
      .width = 0.75,
      .objective = "add-linear",
      .steps = 100,
      .architecture_steps = 20,
      .network = Derive(space, SmallestPath(space)),
      .parameters = 0,
      .macs = 0,
      .latency_ms = {.expected = 0.5,
                     .predicted = 0.4,
                     .measured = 0.3,
                     .measured_mad = 0.01,
                     .sum_of_layers = 0.35,
                     .reference = 0.6,
                     .initial_expected = 0.7,
                     .table = "measured"},
      .validation_top1 = 92.25,
      .test_top1 = 91.75,
      .supernet_top1 = 88.5,
      .initial_entropy = 1.9,
      .final_entropy = 0.38,
      .peak_bytes = {.total = 100 << 20,
                     .weights = 1,
                     .gradients = 2,
                     .optimizer = 3,
                     .activations = 4,
                     .workspace = 5,
                     .data = 6},
      .planned_peak_bytes = 120 << 20,
      .all_paths_peak_bytes = 600 << 20,
      .seconds = {.profile = 10, .warmup = 20, .search = 30, .train = 40, .total = 110},
      .baselines = {},
      .stopped = false};
  const Counts counts = CountNetwork(summary.network);
  summary.parameters = counts.parameters;
  summary.macs = counts.macs;
  return summary;
}

inline BaselineSummary SampleBaseline() {
  return {.kind = "uniform 5x5_MBConv3",
          .architecture = {"5x5_MBConv3", "Zero"},
          .parameters = 1234,
          .macs = 567890,
          .predicted_ms = 0.41,
          .measured_ms = 0,
          .validation_top1 = 90.5,
          .test_top1 = 90.25};
}

}  // namespace nasengine
