// SPDX-License-Identifier: MIT
#include "nas/cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string_view>

#include "nas/report/format.h"

namespace nasengine {
namespace {

constexpr int kMaxColumns = 100;
constexpr double kTerminalSeconds = 0.1;
constexpr double kPlainSeconds = 10;
constexpr std::string_view kClearLine = "\r\x1b[K";

// Weight and architecture steps alternate in one loop.
Phase LoopOf(Phase phase) { return phase == Phase::kArch ? Phase::kWeight : phase; }

std::string_view TitleOf(Phase phase) {
  switch (phase) {
    case Phase::kWarmup:
      return "warm-up";
    case Phase::kWeight:
    case Phase::kArch:
      return "search";
    case Phase::kTrain:
      return "train";
    case Phase::kEval:
      break;
  }
  return "eval";
}

}  // namespace

void Progress::Begin(const StepRecord& record, double now) {
  begun_ = true;
  phase_ = LoopOf(record.phase);
  phase_start_seconds_ = now - record.ms / 1000.0;
  phase_images_ = 0;
  shown_seconds_ = now;
  shown_epoch_ = record.epoch;
}

std::string Progress::Line(const StepRecord& record, double now) const {
  const double elapsed = now - phase_start_seconds_;
  std::string line = fmt::format("{} {}/{}", TitleOf(phase_), record.step, record.steps);
  const auto add = [&](const std::string& text) {
    // The most useful fields come first; what does not fit is left out whole.
    const int limit = std::min(options_.columns, kMaxColumns) - (options_.terminal ? 1 : 0);
    if (static_cast<int>(line.size() + text.size()) + 2 <= limit) line += "  " + text;
  };
  const double left =
      elapsed / static_cast<double>(record.step) * static_cast<double>(record.steps - record.step);
  add(FormatSeconds(left) + " left");
  add(fmt::format("loss {:.3f}", record.loss));
  if (elapsed > 0) {
    add(fmt::format("{:.0f} img/s", static_cast<double>(phase_images_) / elapsed));
  }
  if (record.expected_latency_ms > 0.0) {
    add(fmt::format("expected {}", FormatCost(*record.expected_latency_ms, cost_)));
  }
  if (record.entropy) add(fmt::format("entropy {:.3f}", *record.entropy));
  add(FormatBytes(record.peak_bytes));
  return line;
}

void Progress::Announce(const std::string& message) {
  Finish();
  options_.write(message + "\n");
}

void Progress::Observe(const StepRecord& record) {
  const double now = options_.now_seconds();
  // A loop over again, such as the training of the next network, starts its own count.
  const bool restarted = LoopOf(record.phase) == phase_ && record.step < last_.step;
  if (!begun_ || LoopOf(record.phase) != phase_ || restarted) {
    Finish();
    Begin(record, now);
  }
  phase_images_ += record.images;
  // The line shows the losses of weight steps, and what architecture steps did to the rest.
  const double loss = last_.loss;
  const bool has_loss = last_.step > 0 && LoopOf(last_.phase) == phase_;
  last_ = record;
  if (record.phase == Phase::kArch && has_loss) last_.loss = loss;
  const bool finished = record.step == record.steps && record.phase != Phase::kArch;
  const double every = options_.terminal ? kTerminalSeconds : kPlainSeconds;
  const bool due = now - shown_seconds_ >= every ||
                   (!options_.terminal && record.epoch != shown_epoch_) || finished;
  if (!due) return;
  shown_seconds_ = now;
  shown_epoch_ = record.epoch;
  const std::string line = Line(last_, now);
  if (options_.terminal) {
    options_.write(std::string(kClearLine) + line);
    line_open_ = true;
  } else {
    options_.write(line + "\n");
  }
}

void Progress::Finish() {
  if (line_open_) options_.write("\n");
  line_open_ = false;
}

ProgressOptions StderrProgress() {
  ProgressOptions options;
  options.terminal = ::isatty(STDERR_FILENO) == 1;
  winsize size{};
  if (options.terminal && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    options.columns = size.ws_col;
  }
  options.now_seconds = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  options.write = [](const std::string& text) {
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
  };
  return options;
}

}  // namespace nasengine
