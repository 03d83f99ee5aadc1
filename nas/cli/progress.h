// What a run shows while it runs: one line that renews itself on a terminal, a line now and then
// otherwise.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "nas/space/cost_unit.h"
#include "nas/train/step_record.h"

namespace nasengine {

struct ProgressOptions {
  bool terminal = false;
  int columns = 100;  // of the terminal
  std::function<double()> now_seconds;
  std::function<void(const std::string& text)> write;
};

class Progress {
 public:
  explicit Progress(ProgressOptions options) : options_(std::move(options)) {}
  ~Progress() { Finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // What the expectation counts; latency unless this is called.
  void SetCost(const CostUnit& cost) { cost_ = cost; }
  // A whole line of its own.
  void Announce(const std::string& message);
  void Observe(const StepRecord& record);
  // Ends the line that renews itself, if there is one.
  void Finish();

 private:
  void Begin(const StepRecord& record, double now);
  std::string Line(const StepRecord& record, double now) const;

  ProgressOptions options_;
  CostUnit cost_;
  Phase phase_ = Phase::kWarmup;
  bool begun_ = false;
  bool line_open_ = false;
  StepRecord last_;  // of a weight or training step
  double phase_start_seconds_ = 0;
  std::int64_t phase_images_ = 0;
  double shown_seconds_ = 0;
  std::int64_t shown_epoch_ = 0;
};

// On stderr, renewing where that is a terminal.
ProgressOptions StderrProgress();

}  // namespace nasengine
