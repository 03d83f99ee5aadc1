// What is seen of a search while it runs: its steps counted, their and the validations' peak memory
// kept, its health judged, and the likeliest path tried on the held-out images at the ends of
// epochs.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <span>

#include "nas/cli/search_run.h"
#include "nas/latency/latency_model.h"
#include "nas/search/search_health.h"
#include "nas/train/evaluator.h"
#include "nas/train/step_record.h"

namespace nasengine {

class SearchWatch {
 public:
  struct Parts {
    const SearchHooks& hooks;
    const SearchSpace& space;
    const Supernet& supernet;
    const LatencyModel& latency;
    ArchitectureKnobs knobs;  // of the algorithm
    CachingAllocator& allocator;
    // A path with the shared weights on all held-out images.
    std::function<Evaluation(std::span<const int> path)> evaluate;
  };
  // Writes steps, peak and warnings to `summary`. Everything must outlive the watch.
  SearchWatch(Parts parts, std::int64_t architecture_steps, SearchSummary& summary);

  // For the loop; the hooks' own control is called as well.
  LoopControl Control();
  // When the loop has ended.
  void Finish();

 private:
  void Observe(const StepRecord& record);
  // Of what the allocator has seen since its peak was reset.
  void CountPeak();
  void Warn(const HealthWarning& warning);
  void Validate(StepRecord record);

  Parts parts_;
  SearchSummary& summary_;
  SearchHealth health_;
};

}  // namespace nasengine
