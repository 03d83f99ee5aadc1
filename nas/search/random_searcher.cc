// SPDX-License-Identifier: MIT
#include "nas/search/random_searcher.h"

#include <set>

#include "nas/search/draws.h"
#include "nas/search/expected_latency.h"
#include "nas/search/path_sampler.h"

namespace nasengine {
namespace {

// Draws for every path asked for: enough where one draw in fifty is kept, as with a low limit in a
// deep space, or where nearly all distinct paths of a tiny space are asked for.
constexpr std::uint64_t kDrawsPerPath = 1000;

}  // namespace

RandomSearcher::RandomSearcher(const Supernet& supernet, const LatencyModel* latency,
                               const RandomSearcherConfig& config)
    : supernet_(supernet), latency_(latency), rng_(config.seed, RngPurpose::kGates) {
  NAS_CHECK(config.samples >= 1, "random: ", config.samples, " paths, expected 1 or more");
  const auto samples = static_cast<std::size_t>(config.samples);
  std::set<Path> seen;
  std::optional<PathSampler> within;
  if (latency != nullptr) {
    constexpr double kNoLimit = -std::numeric_limits<double>::infinity();
    within.emplace(supernet.space(), *latency, kNoLimit, config.latency_limit_ms);
  }
  for (std::uint64_t i = 0; i < kDrawsPerPath * samples && paths_.size() < samples; ++i) {
    const std::uint64_t draw = ArchitectureDraw(i);
    std::optional<Path> path = within ? within->Draw(rng_, draw) : supernet.SamplePath(rng_, draw);
    if (path && seen.insert(*path).second) paths_.push_back(*std::move(path));
  }
  NAS_CHECK(paths_.size() == samples, "random: found ", paths_.size(), " distinct paths",
            latency_ == nullptr
                ? std::string()
                : StrCat(" within the reference of ", config.latency_limit_ms,
                         " (the smallest reachable is ", latency_->SmallestReachableMs(), ")"),
            " in ", kDrawsPerPath * samples, " draws, expected random_samples = ", samples,
            "; raise --reference-latency or lower random_samples");
}

std::optional<Path> RandomSearcher::WeightPath(std::uint64_t step) const {
  return supernet_.SamplePath(rng_, WeightDraw(step));
}

ArchitectureStepResult RandomSearcher::ArchitectureStep(Context& /*context*/,
                                                        const Batch& /*batch*/,
                                                        std::uint64_t /*step*/) {
  Throw(ErrorCode::kUnsupported, "random: takes no architecture steps");
}

Path RandomSearcher::Choose(PathScorer& held_out) {
  const Path* best = &paths_.front();
  double best_top1 = -1;
  for (const Path& path : paths_) {
    if (held_out.stopped()) break;
    const double top1 = held_out.Top1(path);
    if (top1 <= best_top1) continue;
    best_top1 = top1;
    best = &path;
  }
  return *best;
}

double RandomSearcher::ExpectedLatencyMs() const {
  return nasengine::ExpectedLatencyMs(supernet_, latency_);
}

}  // namespace nasengine
