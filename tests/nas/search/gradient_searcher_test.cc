// Architecture steps: which alphas move, by how much, and what moves them.
// SPDX-License-Identifier: MIT
#include "nas/search/gradient_searcher.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "nas/supernet/step.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

constexpr double kAlphaLr = 0.01;
constexpr std::uint32_t kSeed = 9;

class GradientSearcherTest : public SupernetFixture {
 protected:
  // The path that architecture step `step` draws: the odd draws of the stream of gates.
  static Path DrawnPath(const Supernet& supernet, std::uint64_t step) {
    return supernet.SamplePath(Rng(kSeed, RngPurpose::kGates), 2 * step + 1);
  }

  static Objective AddLinear(const LatencyModel& model, double lambda) {
    return Objective(
        {.kind = ObjectiveKind::kAddLinear, .lambda = lambda, .reference_ms = model.ReferenceMs()},
        model.SmallestReachableMs());
  }
  static GradientSearcher NoneSearcher(Supernet& supernet) {
    return GradientSearcher(supernet, nullptr, Objective({.kind = ObjectiveKind::kNone}, 0),
                            {.seed = kSeed, .alpha_lr = kAlphaLr});
  }
};

TEST_F(GradientSearcherTest, ABlockWhoseDrawIsZeroIsNotTouched) {
  const SearchSpace space = TinySpace({.blocks = 4});
  const LatencyModel model(space, FakeLatencyTable(space));
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  GradientSearcher searcher(supernet, &model, AddLinear(model, 1),
                            {.seed = kSeed, .alpha_lr = kAlphaLr});
  int zeros = 0;
  for (std::uint64_t step = 0; step < 30; ++step) {
    const Path path = DrawnPath(supernet, step);
    const std::vector<Floats> before = Alphas(supernet);
    searcher.ArchitectureStep(context(), RandomBatch(space, 8, step), step);
    const std::vector<Floats> after = Alphas(supernet);
    for (std::size_t block = 0; block < path.size(); ++block) {
      const bool zero = block > 0 && path[block] == 2;
      zeros += zero;
      EXPECT_EQ(SameBits(before[block], after[block]), zero)
          << "step " << step << " block " << block;
    }
  }
  EXPECT_GT(zeros, 15);
  EXPECT_LT(zeros, 75);
}

// Adam's first step on a vector has the length of the learning rate whatever the gradient; had the
// counter run ahead of it, it would be shorter by sqrt((1 - 0.999) / (1 - 0.999^t)).
TEST_F(GradientSearcherTest, ZerosDrawsDoNotAdvanceTheBlocksAdamCounter) {
  const SearchSpace space = TinySpace({.blocks = 4});
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  GradientSearcher searcher = NoneSearcher(supernet);
  std::vector<int> zeros_before(4, -1);  // until the first draw of a block that is not Zero
  std::vector<int> zeros(4);
  const std::vector<Floats> start = Alphas(supernet);
  for (std::uint64_t step = 0; step < 20; ++step) {
    const Path path = DrawnPath(supernet, step);
    searcher.ArchitectureStep(context(), RandomBatch(space, 8, step), step);
    for (std::size_t block = 0; block < path.size(); ++block) {
      if (zeros_before[block] >= 0) continue;
      if (path[block] == 2) {
        ++zeros[block];
        continue;
      }
      zeros_before[block] = zeros[block];
      for (std::size_t i = 0; i < start[block].size(); ++i) {
        EXPECT_NEAR(std::abs(Alphas(supernet)[block][i] - start[block][i]), kAlphaLr,
                    0.05 * kAlphaLr)
            << "block " << block << " alpha " << i;
      }
    }
  }
  EXPECT_GT(*std::ranges::max_element(zeros_before), 0) << "no block began with Zero";
}

// A supernet whose weights are all zero gives every image the same logits and every gate no
// gradient, which leaves the latency term alone.
TEST_F(GradientSearcherTest, WithLatencyAloneAlphasFollowTheClosedForm) {
  const SearchSpace space = TinySpace({.zero = false});
  const LatencyModel model(1.0, {{0.5, 2.0}, {3.0, 1.0}});
  Supernet supernet(context(), space);
  supernet.gates()[0].alpha()[1] = 0.5f;
  supernet.gates()[1].alpha()[0] = -0.25f;
  GradientSearcher searcher(supernet, &model, AddLinear(model, 0.4),
                            {.seed = kSeed, .alpha_lr = kAlphaLr});
  std::vector<std::vector<double>> alpha{{0, 0.5}, {-0.25, 0}};
  std::vector<std::vector<double>> v{{0, 0}, {0, 0}};
  for (std::uint64_t step = 0; step < 20; ++step) {
    const ArchitectureStepResult result =
        searcher.ArchitectureStep(context(), RandomBatch(space, 6), step);
    EXPECT_NEAR(result.cross_entropy, std::log(3.0), 1e-6);
    double expected_ms = model.fixed_ms();
    for (std::size_t block = 0; block < 2; ++block) {
      const std::span<const double> row = model.Row(static_cast<int>(block));
      const double p1 = 1 / (1 + std::exp(alpha[block][0] - alpha[block][1]));
      const double block_ms = (1 - p1) * row[0] + p1 * row[1];
      expected_ms += block_ms;
      for (std::size_t i = 0; i < 2; ++i) {
        const double p = i == 0 ? 1 - p1 : p1;
        const double gradient = 0.4 / model.ReferenceMs() * p * (row[i] - block_ms);
        v[block][i] = 0.999 * v[block][i] + 0.001 * gradient * gradient;
        const double v_hat = v[block][i] / (1 - std::pow(0.999, static_cast<double>(step + 1)));
        alpha[block][i] -= kAlphaLr * gradient / (std::sqrt(v_hat) + 1e-8);
      }
      for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_NEAR(supernet.gates()[block].alpha()[i], alpha[block][i], 1e-5)
            << "step " << step << " block " << block;
      }
    }
    EXPECT_NEAR(result.expected_latency_ms, expected_ms, 1e-5);
    EXPECT_NEAR(result.loss, std::log(3.0) + 0.4 * (expected_ms / model.ReferenceMs() - 1), 1e-5);
  }
}

TEST_F(GradientSearcherTest, WithLatencyAloneTheExpectationFallsAndTheCheapestWins) {
  const SearchSpace space = TinySpace({.blocks = 3, .candidates = kSixCandidates, .zero = false});
  const LatencyModel model(space, FakeLatencyTable(space));
  Supernet supernet(context(), space);
  GradientSearcher searcher(supernet, &model, AddLinear(model, 0.1),
                            {.seed = kSeed, .alpha_lr = 0.05});
  double last_ms = searcher.ExpectedLatencyMs();
  EXPECT_NEAR(last_ms, model.UniformExpectedMs(), 1e-9);
  const Batch batch = RandomBatch(space, 3);
  for (std::uint64_t step = 0; step < 60; ++step) {
    searcher.ArchitectureStep(context(), batch, step);
    EXPECT_LT(searcher.ExpectedLatencyMs(), last_ms) << "step " << step;
    last_ms = searcher.ExpectedLatencyMs();
  }
  EXPECT_EQ(model.PathMs(supernet.BestPath()), model.SmallestReachableMs());
}

TEST_F(GradientSearcherTest, WithoutLatencyTheFirstStepFollowsTheGateGradients) {
  const SearchSpace space = TinySpace({.blocks = 3, .candidates = kSixCandidates, .zero = false});
  Supernet supernet(context(), space);
  supernet.Initialize(2);
  GradientSearcher searcher = NoneSearcher(supernet);
  const Batch batch = RandomBatch(space, 12);
  const std::vector<Floats> before = Alphas(supernet);
  std::vector<GateGradients> gates(3);
  RunArchitectureStep(context(), supernet, DrawnPath(supernet, 0), batch.images, batch.labels,
                      gates);
  const ArchitectureStepResult result = searcher.ArchitectureStep(context(), batch, 0);
  EXPECT_EQ(result.loss, result.cross_entropy);
  EXPECT_EQ(result.images, 12);
  EXPECT_EQ(searcher.ExpectedLatencyMs(), 0);
  for (std::size_t block = 0; block < 3; ++block) {
    const std::vector<double> gradient = AlphaGradient(Softmax(before[block]), gates[block].values);
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      const double moved = supernet.gates()[block].alpha()[i] - before[block][i];
      EXPECT_LT(moved * gradient[i], 0) << "block " << block << " alpha " << i;
    }
  }
}

TEST_F(GradientSearcherTest, PathsDependOnSeedAndStepAlone) {
  const SearchSpace space = TinySpace({.blocks = 6, .candidates = kSixCandidates});
  Supernet supernet(context(), space);
  const GradientSearcher searcher = NoneSearcher(supernet);
  EXPECT_EQ(searcher.WeightPath(3), searcher.WeightPath(3));
  EXPECT_NE(searcher.WeightPath(3), searcher.WeightPath(4));
  EXPECT_NE(*searcher.WeightPath(3), DrawnPath(supernet, 3));
  const GradientSearcher other(supernet, nullptr, Objective({.kind = ObjectiveKind::kNone}, 0),
                               {.seed = kSeed + 1, .alpha_lr = kAlphaLr});
  EXPECT_NE(searcher.WeightPath(3), other.WeightPath(3));
}

TEST_F(GradientSearcherTest, AnObjectiveWithLatencyNeedsATable) {
  const SearchSpace space = TinySpace();
  Supernet supernet(context(), space);
  const Objective objective({.kind = ObjectiveKind::kAddLinear, .reference_ms = 1}, 1);
  EXPECT_THROW(GradientSearcher(supernet, nullptr, objective, {}), Error);
}

}  // namespace
}  // namespace nasengine
