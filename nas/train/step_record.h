// What a phase reports after each step, for progress displays and logs.
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

namespace nasengine {

enum class Phase { kWarmup, kWeight, kArch, kTrain, kEval };
// "warmup", "weight", "arch", "train", "eval".
std::string_view Name(Phase phase);

struct StepRecord {
  std::int64_t step = 0;   // weight steps done in this phase's loop, this one included
  std::int64_t steps = 0;  // of which the loop will take so many
  std::int64_t epoch = 0;
  Phase phase = Phase::kWarmup;
  double loss = 0;
  // Of an architecture step, on held-out images; no other part of its loss.
  double cross_entropy = 0;
  double top1 = 0;  // percent, of this batch
  double lr = 0;
  // Of the search; nothing where no alphas are at work.
  std::optional<double> expected_latency_ms{};
  std::optional<double> entropy{};  // mean over the blocks, nats
  double ms = 0;                    // of this step
  std::int64_t images = 0;
  std::int64_t peak_bytes = 0;
};

struct LoopControl {
  // Called after every step.
  std::function<void(const StepRecord&)> observe;
  // Called after `observe` of every weight step of a search with the path that it trained; empty:
  // all candidates.
  std::function<void(std::span<const int> path)> path_trained = nullptr;
  // Called after the last step of every epoch of a search with the record of its last weight step.
  std::function<void(const StepRecord&)> epoch_ended = nullptr;
  // The loop returns after the step during which this became true; may be null.
  const std::atomic<bool>* stop = nullptr;

  bool stopped() const { return stop != nullptr && stop->load(std::memory_order_relaxed); }
};

}  // namespace nasengine
