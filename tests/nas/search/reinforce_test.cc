// REINFORCE against its closed form, and against the exact expectation over all paths of a problem
// that can be enumerated.
// SPDX-License-Identifier: MIT
#include "nas/search/reinforce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

using Choices = std::vector<int>;

// Gates of two, three and four candidates with uneven alphas, and a reward without structure.
std::vector<BinaryGate> UnevenGates() {
  std::vector<BinaryGate> gates;
  for (int g = 0; g < 3; ++g) {
    BinaryGate& gate = gates.emplace_back(g + 2);
    for (int i = 0; i < gate.candidates(); ++i) {
      gate.alpha()[static_cast<std::size_t>(i)] = static_cast<float>(std::sin(3 * g + 2 * i + 1));
    }
  }
  return gates;
}
double SomeReward(std::span<const int> choices) {
  return std::cos(1.7 * choices[0] + 0.9 * choices[1] * choices[2] + 0.3 * choices[2]);
}

// Calls visit(choices, probability) for every path.
void ForEachPath(const std::vector<std::vector<double>>& probabilities,
                 const std::function<void(const Choices&, double)>& visit) {
  Choices choices(probabilities.size(), 0);
  for (;;) {
    double probability = 1;
    for (std::size_t g = 0; g < choices.size(); ++g) {
      probability *= probabilities[g][static_cast<std::size_t>(choices[g])];
    }
    visit(choices, probability);
    std::size_t g = 0;
    while (g < choices.size() && ++choices[g] == static_cast<int>(probabilities[g].size())) {
      choices[g++] = 0;
    }
    if (g == choices.size()) return;
  }
}

std::vector<double> SoftmaxF64(const std::vector<double>& alpha) {
  std::vector<double> p;
  double sum = 0;
  for (const double a : alpha) sum += p.emplace_back(std::exp(a));
  for (double& value : p) value /= sum;
  return p;
}

// J, the expected reward at these alphas.
double ExpectedReward(const std::vector<std::vector<double>>& alphas) {
  std::vector<std::vector<double>> probabilities;
  for (const auto& alpha : alphas) probabilities.push_back(SoftmaxF64(alpha));
  double sum = 0;
  ForEachPath(probabilities,
              [&](const Choices& choices, double p) { sum += p * SomeReward(choices); });
  return sum;
}

// By hand: p = (0.5, 0.3, 0.2), advantages 0.4 and -0.1 of draws 0 and 2:
// (0.4 (p_i - [i = 0]) - 0.1 (p_i - [i = 2])) / 2.
TEST(ReinforceTest, TheGradientIsTheClosedForm) {
  const std::vector<double> p{0.5, 0.3, 0.2};
  const Choices drawn{0, 2};
  const std::vector<double> gradient = ReinforceGradient(p, drawn, std::vector<double>{0.4, -0.1});
  EXPECT_NEAR(gradient[0], -0.125, 1e-15);
  EXPECT_NEAR(gradient[1], 0.045, 1e-15);
  EXPECT_NEAR(gradient[2], 0.08, 1e-15);
  EXPECT_NEAR(gradient[0] + gradient[1] + gradient[2], 0, 1e-15);
  EXPECT_THROW(ReinforceGradient(p, drawn, std::vector<double>{0.4}), Error);
}

// The mean of the gradient over all paths is -dJ/d alpha, with any constant baseline; central
// differences in f64 with step h err by h^2 and rounding / h, both below 1e-9 here.
TEST(ReinforceTest, TheGradientsMeanIsThatOfTheExpectedReward) {
  const std::vector<BinaryGate> gates = UnevenGates();
  std::vector<std::vector<double>> alphas;
  std::vector<std::vector<double>> probabilities;
  for (const BinaryGate& gate : gates) {
    alphas.emplace_back(gate.alpha().begin(), gate.alpha().end());
    probabilities.push_back(gate.Probabilities());
  }
  constexpr double kStep = 1e-5;
  for (const double baseline : {0.0, 0.7}) {
    for (std::size_t g = 0; g < gates.size(); ++g) {
      std::vector<double> mean(alphas[g].size());
      ForEachPath(probabilities, [&](const Choices& choices, double p) {
        const std::vector<double> gradient =
            ReinforceGradient(probabilities[g], std::span(&choices[g], 1),
                              std::vector<double>{SomeReward(choices) - baseline});
        for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += p * gradient[i];
      });
      for (std::size_t i = 0; i < mean.size(); ++i) {
        const auto shifted = [&](double by) {
          std::vector<std::vector<double>> moved = alphas;
          moved[g][i] += by;
          return ExpectedReward(moved);
        };
        EXPECT_NEAR(mean[i], -(shifted(kStep) - shifted(-kStep)) / (2 * kStep), 1e-9)
            << "gate " << g << " alpha " << i << " baseline " << baseline;
      }
    }
  }
}

class ReinforceUpdateTest : public SupernetFixture {
 protected:
  static constexpr double kAlphaLr = 0.01;

  // The baselines after updates whose every draw is rewarded by the next of `means`.
  std::vector<double> Baselines(double weight, const std::vector<double>& means) {
    std::vector<BinaryGate> gates = UnevenGates();
    Reinforce reinforce(gates, {.baseline_weight = weight});
    EXPECT_FALSE(reinforce.baseline().has_value());
    std::vector<double> baselines;
    for (std::size_t step = 0; step < means.size(); ++step) {
      EXPECT_NEAR(reinforce.Update(context(), step, [&](auto) { return means[step]; }), means[step],
                  1e-15);
      baselines.push_back(*reinforce.baseline());
    }
    return baselines;
  }
};

TEST_F(ReinforceUpdateTest, ThePublishedBaselineIsNearlyTheMeanOfThePresentDraws) {
  const std::vector<double> baselines = Baselines(0.99, {0.5, 0.9, 0.1});
  EXPECT_NEAR(baselines[0], 0.5, 1e-12);
  EXPECT_NEAR(baselines[1], 0.5 + 0.99 * 0.4, 1e-12);
  EXPECT_NEAR(baselines[2], 0.896 + 0.99 * (0.1 - 0.896), 1e-12);
}

TEST_F(ReinforceUpdateTest, ASmallWeightMakesAMovingAverage) {
  const std::vector<double> baselines = Baselines(0.01, {0.5, 0.9, 0.1});
  EXPECT_NEAR(baselines[0], 0.5, 1e-12);
  EXPECT_NEAR(baselines[1], 0.504, 1e-12);
  EXPECT_NEAR(baselines[2], 0.504 - 0.01 * 0.404, 1e-12);
}

// Adam with beta1 = 0 moves an alpha by lr * g / sqrt(v_hat); the gradient of the drawn choices is
// formed anew here, with the baseline as it is after it moved.
TEST_F(ReinforceUpdateTest, AlphasFollowTheClosedForm) {
  std::vector<BinaryGate> gates = UnevenGates();
  Reinforce reinforce(gates,
                      {.seed = 3, .samples = 4, .baseline_weight = 0.25, .alpha_lr = kAlphaLr});
  std::vector<std::vector<double>> v;
  for (const BinaryGate& gate : gates) v.emplace_back(gate.alpha().size(), 0.0);
  double baseline = 0;
  for (int step = 0; step < 10; ++step) {
    std::vector<Choices> drawn;
    std::vector<std::vector<double>> alphas;
    std::vector<std::vector<double>> probabilities;
    for (const BinaryGate& gate : gates) {
      alphas.emplace_back(gate.alpha().begin(), gate.alpha().end());
      probabilities.push_back(gate.Probabilities());
    }
    const double mean =
        reinforce.Update(context(), static_cast<std::uint64_t>(step), [&](std::span<const int> c) {
          drawn.emplace_back(c.begin(), c.end());
          return SomeReward(c);
        });
    ASSERT_EQ(drawn.size(), 4u);
    baseline = step == 0 ? mean : baseline + 0.25 * (mean - baseline);
    EXPECT_NEAR(*reinforce.baseline(), baseline, 1e-12);
    for (std::size_t g = 0; g < gates.size(); ++g) {
      for (std::size_t i = 0; i < alphas[g].size(); ++i) {
        double gradient = 0;
        for (const Choices& choices : drawn) {
          const double hit = choices[g] == static_cast<int>(i) ? 1 : 0;
          gradient += (SomeReward(choices) - baseline) * (probabilities[g][i] - hit) / 4;
        }
        v[g][i] = 0.999 * v[g][i] + 0.001 * gradient * gradient;
        const double v_hat = v[g][i] / (1 - std::pow(0.999, step + 1));
        // The kernel's arithmetic is f32: eight roundings of an alpha below 2.
        EXPECT_NEAR(gates[g].alpha()[i],
                    alphas[g][i] - kAlphaLr * gradient / (std::sqrt(v_hat) + 1e-8), 1e-6)
            << "step " << step << " gate " << g << " alpha " << i;
      }
    }
  }
}

TEST_F(ReinforceUpdateTest, DrawsFollowTheAlphasAndDependOnSeedAndStepAlone) {
  const auto draws = [&](std::uint32_t seed, std::uint64_t step) {
    std::vector<BinaryGate> gates = UnevenGates();
    std::vector<Choices> drawn;
    Reinforce(gates, {.seed = seed, .samples = 2000})
        .Update(context(), step, [&](std::span<const int> choices) {
          drawn.emplace_back(choices.begin(), choices.end());
          return 0.0;
        });
    return drawn;
  };
  const std::vector<Choices> first = draws(1, 0);
  EXPECT_EQ(first, draws(1, 0));
  EXPECT_NE(first, draws(2, 0));
  EXPECT_NE(first, draws(1, 1));
  // Frequencies within five standard deviations.
  const std::vector<BinaryGate> gates = UnevenGates();
  for (std::size_t g = 0; g < gates.size(); ++g) {
    const std::vector<double> p = gates[g].Probabilities();
    for (std::size_t i = 0; i < p.size(); ++i) {
      double count = 0;
      for (const Choices& choices : first) count += choices[g] == static_cast<int>(i);
      EXPECT_NEAR(count / 2000, p[i], 5 * std::sqrt(p[i] * (1 - p[i]) / 2000));
    }
  }
}

TEST_F(ReinforceUpdateTest, ARewardThatIsTheSameForAllMovesNothing) {
  std::vector<BinaryGate> gates = UnevenGates();
  Reinforce(gates, {.alpha_lr = kAlphaLr}).Update(context(), 0, [](auto) { return 0.75; });
  const std::vector<BinaryGate> before = UnevenGates();
  for (std::size_t g = 0; g < gates.size(); ++g) {
    EXPECT_TRUE(SameBits(gates[g].alpha(), before[g].alpha()));
  }
}

TEST_F(ReinforceUpdateTest, RefusesNoSamplesAndRewardsThatAreNoNumbers) {
  std::vector<BinaryGate> gates = UnevenGates();
  EXPECT_THROW(Reinforce(gates, {.samples = 0}), Error);
  Reinforce reinforce(gates, {});
  EXPECT_THROW(
      reinforce.Update(context(), 0, [](auto) { return std::numeric_limits<double>::quiet_NaN(); }),
      Error);
}

}  // namespace
}  // namespace nasengine
