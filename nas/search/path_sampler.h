// Random paths between two latencies, each as likely as any other.
//
// In a deep space hardly any evenly drawn path keeps a limit well below the mean, so candidate k of
// a gate is drawn with a probability proportional to exp(-beta F_k): of all distributions with
// their mean latency these differ least from the even one. What is drawn too often is drawn in vain
// more often: a path of latency L is kept with probability exp(-beta (limit - L)), which makes the
// product the same for all paths (rejection sampling from an exponentially tilted distribution).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/core/rng.h"
#include "nas/latency/latency_model.h"
#include "nas/space/search_space.h"
#include "nas/supernet/supernet.h"

namespace nasengine {

class PathSampler {
 public:
  // Of the paths that the gates of `space` can choose with low <= latency <= high. Both must
  // outlive the sampler. Throws kInvalidArgument unless low <= high.
  PathSampler(const SearchSpace& space, const LatencyModel& latency, double low_ms, double high_ms);

  // The path of draw `step` of `rng`, or nothing: a draw in vain. There may be no such path at all,
  // so count the draws.
  std::optional<Path> Draw(const Rng& rng, std::uint64_t step) const;
  // That of the first of the draws from `step` on that is not in vain, or nothing where `draws`
  // are.
  std::optional<Path> FirstOf(const Rng& rng, std::uint64_t step, std::uint64_t draws) const;

 private:
  const SearchSpace& space_;
  const LatencyModel& latency_;
  double low_ms_;
  double high_ms_;
  double beta_ = 0;                           // per ms; below 0 where slow paths are sought
  std::vector<std::vector<double>> of_gate_;  // probabilities, a gate each
};

}  // namespace nasengine
