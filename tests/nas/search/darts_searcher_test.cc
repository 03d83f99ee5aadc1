// Steps of all paths: every gate moves in every step, by loss and by the full expected latency.
// SPDX-License-Identifier: MIT
#include "nas/search/darts_searcher.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/fake_latency_table.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

constexpr double kAlphaLr = 0.02;

class DartsSearcherTest : public SupernetFixture {
 protected:
  static Objective AddLinear(const LatencyModel& model, double lambda) {
    return Objective(
        {.kind = ObjectiveKind::kAddLinear, .lambda = lambda, .reference_ms = model.ReferenceMs()},
        model.SmallestReachableMs());
  }
};

TEST_F(DartsSearcherTest, TheFirstStepFollowsTheGradientAndLeavesTheWeights) {
  const SearchSpace space = TinySpace({.blocks = 3});
  Supernet supernet(context(), space);
  supernet.Initialize(2);
  DartsSearcher searcher(supernet, nullptr, Objective({.kind = ObjectiveKind::kNone}, 0),
                         {.seed = 1, .alpha_lr = kAlphaLr});
  EXPECT_EQ(searcher.WeightPath(3), std::nullopt);
  const Batch batch = RandomBatch(space, 12);
  const std::vector<Floats> before = Alphas(supernet);
  const std::vector<Floats> weights = AllState(supernet);
  std::vector<GateGradients> gates(3);
  RunAllPathsArchitectureStep(context(), supernet, batch.images, batch.labels, gates);
  const ArchitectureStepResult result = searcher.ArchitectureStep(context(), batch, 0);
  EXPECT_EQ(result.loss, result.cross_entropy);
  EXPECT_EQ(result.images, 12);
  for (std::size_t g = 0; g < 3; ++g) {
    const std::vector<double> gradient = AlphaGradient(Softmax(before[g]), gates[g].values);
    for (std::size_t k = 0; k < gradient.size(); ++k) {
      const double moved = supernet.gates()[g].alpha()[k] - before[g][k];
      // Adam's first step, of the rate's length; Zero moves like the others.
      EXPECT_NEAR(moved, gradient[k] > 0 ? -kAlphaLr : kAlphaLr, 1e-2 * kAlphaLr)
          << "gate " << g << " alpha " << k;
    }
  }
  EXPECT_TRUE(SameBits(weights, AllState(supernet)));
  for (const ParameterSlab* slab : supernet.Slabs()) EXPECT_FALSE(slab->has_gradients());
}

TEST_F(DartsSearcherTest, WithLatencyAloneZeroWinsWhereThereIsOne) {
  const SearchSpace space = TinySpace({.blocks = 3, .candidates = kSixCandidates});
  const LatencyModel model(space, FakeLatencyTable(space));
  Supernet supernet(context(), space);  // weights of zero: no gate gradients
  DartsSearcher searcher(supernet, &model, AddLinear(model, 0.1), {.seed = 1, .alpha_lr = 0.05});
  EXPECT_NEAR(searcher.ExpectedLatencyMs(), model.UniformExpectedMs(), 1e-9);
  const Batch batch = RandomBatch(space, 3);
  double last_ms = searcher.ExpectedLatencyMs();
  for (std::uint64_t step = 0; step < 60; ++step) {
    const ArchitectureStepResult result = searcher.ArchitectureStep(context(), batch, step);
    EXPECT_EQ(result.expected_latency_ms, last_ms) << "of all candidates, before the step";
    EXPECT_LT(searcher.ExpectedLatencyMs(), last_ms) << "step " << step;
    last_ms = searcher.ExpectedLatencyMs();
  }
  const Path best = supernet.BestPath();
  EXPECT_EQ(model.PathMs(best), model.SmallestReachableMs());
  EXPECT_EQ(best[1], 6) << "Zero may be chosen";
}

TEST_F(DartsSearcherTest, StepsRepeatBitForBit) {
  const SearchSpace space = TinySpace({.blocks = 2});
  std::vector<std::vector<Floats>> runs;
  for (int run = 0; run < 2; ++run) {
    Supernet supernet(context(), space);
    supernet.Initialize(5);
    DartsSearcher searcher(supernet, nullptr, Objective({.kind = ObjectiveKind::kNone}, 0),
                           {.seed = static_cast<std::uint32_t>(run), .alpha_lr = kAlphaLr});
    for (std::uint64_t step = 0; step < 4; ++step) {
      searcher.ArchitectureStep(context(), RandomBatch(space, 8, step), step);
    }
    runs.push_back(Alphas(supernet));
  }
  EXPECT_TRUE(SameBits(runs[0], runs[1]));
}

TEST_F(DartsSearcherTest, AnObjectiveWithLatencyNeedsATable) {
  const SearchSpace space = TinySpace();
  Supernet supernet(context(), space);
  const Objective objective({.kind = ObjectiveKind::kAddLinear, .reference_ms = 1}, 1);
  EXPECT_THROW(DartsSearcher(supernet, nullptr, objective, {}), Error);
}

}  // namespace
}  // namespace nasengine
