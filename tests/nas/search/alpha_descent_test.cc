// From gate gradients to moved alphas: tied blocks add up, and a gate without gradients rests.
// SPDX-License-Identifier: MIT
#include "nas/search/alpha_descent.h"

#include <gtest/gtest.h>

#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

constexpr double kLr = 0.02;

class AlphaDescentTest : public SupernetFixture {
 protected:
  // `blocks` blocks of three candidates, no Zero.
  static SearchSpace Space(int blocks, bool share) {
    return TinySpace({.blocks = blocks,
                      .candidates = {"3x3_MBConv3", "5x5_MBConv3", "7x7_MBConv3"},
                      .zero = false,
                      .share = share});
  }
  static Objective AddLinear(double reference_ms) {
    return Objective(
        {.kind = ObjectiveKind::kAddLinear, .lambda = 0.7, .reference_ms = reference_ms}, 0.1);
  }
};

TEST_F(AlphaDescentTest, OfATiedGateGradientsAndLatenciesAddUpOverItsBlocks) {
  const SearchSpace tied_space = Space(2, true);
  const SearchSpace single_space = Space(1, false);
  Supernet tied(context(), tied_space);
  Supernet single(context(), single_space);
  ASSERT_EQ(tied.gates().size(), 1u);
  const LatencyModel tied_model(1, {{0.5, 0.25, 2}, {0.125, 3, 0.25}});
  const LatencyModel single_model(1, {{0.625, 3.25, 2.25}});
  AlphaDescent tied_alphas("tied", tied, &tied_model, AddLinear(2), {.alpha_lr = kLr});
  AlphaDescent single_alphas("single", single, &single_model, AddLinear(2), {.alpha_lr = kLr});
  EXPECT_NEAR(tied_alphas.ExpectedLatencyMs(), single_alphas.ExpectedLatencyMs(), 1e-12);
  for (int step = 0; step < 5; ++step) {
    const double a = 0.5 - step;
    const std::vector<GateGradients> two{{.values = {a, 0.25, 1}}, {.values = {1, -a, 0.5}}};
    const std::vector<GateGradients> sum{{.values = {a + 1, 0.25 - a, 1.5}}};
    const ArchitectureStepResult from_two =
        tied_alphas.Step(context(), {.loss = 1.5}, ProbabilitiesOf(tied), two);
    const ArchitectureStepResult from_sum =
        single_alphas.Step(context(), {.loss = 1.5}, ProbabilitiesOf(single), sum);
    EXPECT_NEAR(from_two.loss, from_sum.loss, 1e-6);
    EXPECT_NEAR(from_two.expected_latency_ms, from_sum.expected_latency_ms, 1e-6);
    for (std::size_t k = 0; k < 3; ++k) {
      // Adam divides by the root of the squares, so that f32 rounding stays relative to the step.
      EXPECT_NEAR(tied.gates()[0].alpha()[k], single.gates()[0].alpha()[k], 1e-5 * kLr)
          << "step " << step << " alpha " << k;
    }
  }
  EXPECT_GT(std::abs(tied.gates()[0].alpha()[0]), kLr);
}

TEST_F(AlphaDescentTest, AGateWithoutGateGradientsRests) {
  const SearchSpace space = Space(2, false);
  Supernet supernet(context(), space);
  const LatencyModel model(1, {{0.5, 0.25, 2}, {0.5, 0.25, 2}});
  AlphaDescent alphas("test", supernet, &model, AddLinear(2), {.alpha_lr = kLr});
  alphas.Step(context(), {.loss = 1}, ProbabilitiesOf(supernet),
              std::vector<GateGradients>{{}, {.values = {0, 0, 0}}});
  EXPECT_EQ(Alphas(supernet)[0], (Floats{0, 0, 0}));
  EXPECT_NE(Alphas(supernet)[1], (Floats{0, 0, 0})) << "latency moves what has gate gradients";
}

TEST_F(AlphaDescentTest, CandidatesOfProbabilityZeroStayBitForBit) {
  const SearchSpace space = Space(1, false);
  Supernet supernet(context(), space);
  supernet.gates()[0].alpha()[1] = 0.3f;
  const LatencyModel model(1, {{0.5, 7, 2}});
  AlphaDescent alphas("test", supernet, &model, AddLinear(2), {.alpha_lr = kLr});
  for (int step = 0; step < 3; ++step) {
    alphas.Step(context(), {.loss = 1}, {{0.25, 0, 0.75}},
                std::vector<GateGradients>{{.values = {1, 5, 2}}});
  }
  EXPECT_EQ(supernet.gates()[0].alpha()[1], 0.3f);
  EXPECT_NE(supernet.gates()[0].alpha()[0], 0);
}

}  // namespace
}  // namespace nasengine
