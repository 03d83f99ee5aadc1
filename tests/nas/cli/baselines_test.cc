// Networks to compare with: within the latency, and only such as the space's gates can choose.
// SPDX-License-Identifier: MIT
#include "nas/cli/baselines.h"

#include <gtest/gtest.h>

#include "nas/space/counts.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/tiny_space.h"

namespace nasengine {
namespace {

TEST(BaselinesTest, MostMacsIsTheBestOfAllPathsWithin) {
  const SearchSpace space = TinySpace({.blocks = 3, .candidates = kSixCandidates});
  const LatencyModel model(space, FakeLatencyTable(space));
  const double limit_ms = 0.6 * model.LargestReachableMs();
  std::int64_t most = 0;
  for (int a = 0; a < 6; ++a) {
    for (int b = 0; b < 7; ++b) {
      for (int c = 0; c < 7; ++c) {
        const Path path{a, b, c};
        if (model.PathMs(path) <= limit_ms) most = std::max(most, CountPath(space, path).macs);
      }
    }
  }
  for (const BaselinePath& baseline : BaselinePaths(space, model, limit_ms, 1)) {
    if (baseline.kind != "most MACs within") continue;
    EXPECT_LE(model.PathMs(baseline.path), limit_ms);
    // Latencies are rounded up to 1/4096 of the limit, which may cost the last candidate a step.
    EXPECT_GT(CountPath(space, baseline.path).macs, 0.98 * static_cast<double>(most));
    return;
  }
  FAIL() << "no such baseline";
}

TEST(BaselinesTest, TiedBlocksTakeOneCandidate) {
  const SearchSpace space =
      TinySpace({.blocks = 4, .candidates = kSixCandidates, .zero = false, .share = true});
  const LatencyModel model(space, FakeLatencyTable(space));
  const Path found(4, 2);
  const std::vector<BaselinePath> baselines = BaselinePaths(space, model, model.PathMs(found), 1);
  EXPECT_EQ(baselines.size(), 3u);
  for (const BaselinePath& baseline : baselines) {
    EXPECT_EQ(baseline.path, Path(4, baseline.path.front())) << baseline.kind;
    EXPECT_LE(model.PathMs(baseline.path), 1.05 * model.PathMs(found)) << baseline.kind;
  }
}

}  // namespace
}  // namespace nasengine
