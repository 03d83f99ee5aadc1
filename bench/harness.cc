// SPDX-License-Identifier: MIT
#include "bench/harness.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <thread>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

constexpr int kMostRepeats = 10'000;

double SampleMs(const Contender& contender, int repeats, const TimingOptions& options) {
  if (options.pause_ms > 0) {
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(options.pause_ms));
  }
  const auto repeated = [&] {
    for (int i = 0; i < repeats; ++i) contender.run();
  };
  if (options.device != nullptr) return 1e3 * options.device->Seconds(repeated) / repeats;
  const Timer timer;
  repeated();
  return timer.ms() / repeats;
}

}  // namespace

std::vector<RobustSummary> TimeInterleaved(std::span<const Contender> contenders,
                                           const TimingOptions& options) {
  NAS_CHECK(!contenders.empty(), "benchmark: nothing to time");
  NAS_CHECK(options.min_rounds >= 1 && options.max_rounds >= options.min_rounds,
            "benchmark: ", options.min_rounds, " to ", options.max_rounds, " rounds");
  std::vector<int> repeats;
  if (options.before_round) options.before_round(-1);
  for (const Contender& contender : contenders) {
    contender.run();
    const double once_ms = std::max(SampleMs(contender, 1, options), 1e-6);
    repeats.push_back(static_cast<int>(
        std::clamp(std::ceil(options.min_sample_ms / once_ms), 1.0, double{kMostRepeats})));
  }
  std::vector<std::vector<double>> samples(contenders.size());
  const Timer total;
  for (int round = 0; round < options.max_rounds; ++round) {
    if (round >= options.min_rounds && total.seconds() >= options.seconds) break;
    if (options.before_round) options.before_round(round);
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const std::size_t which = (static_cast<std::size_t>(round) + i) % contenders.size();
      samples[which].push_back(SampleMs(contenders[which], repeats[which], options));
    }
  }
  std::vector<RobustSummary> summaries;
  for (const std::vector<double>& sample : samples) summaries.push_back(Summarize(sample));
  return summaries;
}

double SameAgainstSame(const RobustSummary& first, const RobustSummary& second) {
  return std::abs(second.median / first.median - 1);
}

}  // namespace nasengine
