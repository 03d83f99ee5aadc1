// Random search with shared weights: the supernet is trained along evenly drawn paths, and of so
// many distinct random paths within a latency limit the most accurate one on the held-out images is
// taken. What every algorithm that moves alphas has to beat.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <limits>
#include <vector>

#include "nas/latency/latency_model.h"
#include "nas/search/searcher.h"
#include "nas/supernet/rehearsal.h"

namespace nasengine {

struct RandomSearcherConfig {
  std::uint32_t seed = 0;
  int samples = 100;  // paths to compare
  double latency_limit_ms = std::numeric_limits<double>::infinity();
};

class RandomSearcher final : public Searcher {
 public:
  static constexpr std::string_view kName = "random";
  // The steps of a search.
  static constexpr std::array kSteps = {PlannedStep::kWeights};

  // Draws the paths, all within the limit equally likely, or without one from the supernet's
  // alphas, so that a limit that too few paths keep is refused before anything is trained:
  // kInvalidArgument, naming the limit, the smallest reachable latency and how many paths were
  // found. `supernet` and `latency` must outlive the searcher; `latency` is null when there is no
  // limit.
  RandomSearcher(const Supernet& supernet, const LatencyModel* latency,
                 const RandomSearcherConfig& config);

  std::string_view name() const override { return kName; }
  std::optional<Path> WeightPath(std::uint64_t step) const override;
  // There is none: alphas stay. Throws kUnsupported.
  ArchitectureStepResult ArchitectureStep(Context& context, const Batch& batch,
                                          std::uint64_t step) override;
  // Scores all paths, or as many as `held_out` wants; the first one of equals.
  Path Choose(PathScorer& held_out) override;
  double ExpectedLatencyMs() const override;

 private:
  const Supernet& supernet_;
  const LatencyModel* latency_;
  Rng rng_;
  std::vector<Path> paths_;
};

}  // namespace nasengine
