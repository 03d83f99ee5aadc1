// Timing of several ways to do one thing, side by side: round by round, so that what else happens
// on the machine hits all of them alike.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/device_backend.h"
#include "kernels/core/timer.h"

namespace nasengine {

// One way of doing the thing that is measured.
struct Contender {
  std::string name;
  std::function<void()> run;
};

struct TimingOptions {
  int min_rounds = 7;
  int max_rounds = 101;
  // Rounds go on past min_rounds until this much time has been measured.
  double seconds = 0.4;
  // Short runs are repeated within a sample until it lasts as long as this.
  double min_sample_ms = 0.2;
  // Waited before each sample, for what threads of other contenders do after their work.
  double pause_ms = 0;
  // Whose clock counts; null: the host's.
  DeviceBackend* device = nullptr;
  // Called before each round with its number, which is negative for the warm-up.
  std::function<void(int round)> before_round{};
};

// Milliseconds of one run of each contender, in the order given. Each is run twice to warm up; in
// round r contender r mod n goes first.
std::vector<RobustSummary> TimeInterleaved(std::span<const Contender> contenders,
                                           const TimingOptions& options);

// How far apart two measurements of the same thing lie, as a share of the first: what a difference
// between contenders has to exceed before it means anything.
double SameAgainstSame(const RobustSummary& first, const RobustSummary& second);

}  // namespace nasengine
