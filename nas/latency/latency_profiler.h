// Measuring on this device: every distinct layer into a latency table, and whole networks, both in
// the deployed form and by one protocol, so that the sum of layers can be held against the whole.
//
// The protocol is written down, with the measurements behind it, in nas/latency/README.md.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "kernels/core/timer.h"
#include "nas/deploy/runner.h"
#include "nas/latency/latency_table.h"
#include "nas/space/latency_key.h"
#include "nas/space/network_desc.h"

namespace nasengine {

struct ProfileProgress {
  int rounds_done = 0;
  int rounds = 0;
  double seconds = 0;
};

struct ProfileOptions {
  // Samples of every layer. Fewer when the time is up, but never fewer than min_rounds.
  int rounds = 2000;
  int min_rounds = 50;
  double time_budget_s = 8;
  // Of the weights and inputs that are timed.
  std::uint32_t seed = 1;
  // Called after every round on the measuring thread, outside the timed parts; may throw to stop.
  std::function<void(const ProfileProgress&)> progress{};
};

// Times every layer at batch 1 with the context's threads. Throws kInvalidArgument for no layers
// and for options that make no sense, kUnsupported where no kernel takes a layer.
LatencyTable MeasureTable(Context& context, std::span<const KeyedLayer> layers,
                          const BatchNormDesc& batch_norm, const ProfileOptions& options);

struct NetworkTiming {
  RobustSummary whole;  // milliseconds of one image
  // The medians of its layers, each timed on its own in the same rounds, added up.
  double sum_of_layers_ms = 0;
};

// Times one run of the whole network on seeded random images, by the same protocol: every timed run
// follows an untimed one, on images written anew. Between them run its layers, as those of a table
// do: they tell whether the network or the machine differs from the table.
NetworkTiming MeasureNetwork(Context& context, const NetworkDesc& desc, FoldedRunner& runner,
                             const ProfileOptions& options);

}  // namespace nasengine
