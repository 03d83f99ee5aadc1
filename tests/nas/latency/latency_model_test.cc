// The latency model against sums written out by hand, and its gradient against finite differences.
// SPDX-License-Identifier: MIT
#include "nas/latency/latency_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/rng.h"
#include "nas/space/space_file.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/tiny_space.h"

namespace nasengine {
namespace {

using Alphas = std::vector<std::vector<double>>;

const TinySpaceOptions kTiny = {
    .input = {8, 8, 3}, .classes = 5, .candidates = {"3x3_MBConv3", "5x5_MBConv6"}};
// 1 ms for the stem, 2 for the classifier, kernel + expand / 10 + 0.5 with a residual otherwise.
double TinyMs(const LayerDesc& layer) {
  if (layer.op == LayerOp::kConv) return 1;
  if (layer.op == LayerOp::kClassifier) return 2;
  return layer.kernel + layer.expand / 10.0 + (HasResidual(layer) ? 0.5 : 0);
}

LatencyModel TinyModel() {
  return LatencyModel(TinySpace(kTiny), FakeLatencyTable(TinySpace(kTiny), TinyMs));
}

std::vector<double> Softmax64(const std::vector<double>& alpha) {
  const double largest = *std::max_element(alpha.begin(), alpha.end());
  std::vector<double> p;
  double sum = 0;
  for (const double a : alpha) sum += p.emplace_back(std::exp(a - largest));
  for (double& value : p) value /= sum;
  return p;
}

BlockProbabilities Probabilities(const Alphas& alphas) {
  BlockProbabilities rows;
  for (const std::vector<double>& alpha : alphas) rows.push_back(Softmax64(alpha));
  return rows;
}

Alphas RandomAlphas(const LatencyModel& model) {
  const Rng rng(3, RngPurpose::kTest);
  Alphas alphas;
  for (int block = 0; block < model.blocks(); ++block) {
    std::vector<double>& alpha = alphas.emplace_back();
    for (std::size_t i = 0; i < model.Row(block).size(); ++i) {
      alpha.push_back(rng.Normal(static_cast<std::uint64_t>(block), i));
    }
  }
  return alphas;
}

TEST(LatencyModelTest, SumsByHand) {
  const LatencyModel model = TinyModel();
  ASSERT_EQ(model.blocks(), 2);
  EXPECT_DOUBLE_EQ(model.fixed_ms(), 3);
  // The first block changes size, so it has no Zero and no residual.
  const std::vector<double> first(model.Row(0).begin(), model.Row(0).end());
  const std::vector<double> second(model.Row(1).begin(), model.Row(1).end());
  EXPECT_EQ(first, (std::vector<double>{3.3, 5.6}));
  EXPECT_EQ(second, (std::vector<double>{3.8, 6.1, 0}));

  EXPECT_DOUBLE_EQ(model.PathMs(std::vector<int>{1, 0}), 3 + 5.6 + 3.8);
  EXPECT_DOUBLE_EQ(model.PathMs(std::vector<int>{0, 2}), 3 + 3.3);
  EXPECT_DOUBLE_EQ(model.SmallestReachableMs(), 6.3);
  EXPECT_DOUBLE_EQ(model.LargestReachableMs(), 3 + 5.6 + 6.1);
  EXPECT_DOUBLE_EQ(model.UniformExpectedMs(), 3 + 4.45 + 3.3);
  EXPECT_DOUBLE_EQ(model.ReferenceMs(), (6.3 + 10.75) / 2);
  EXPECT_DOUBLE_EQ(model.ExpectedMs({{0.25, 0.75}, {0.5, 0.25, 0.25}}),
                   3 + (0.25 * 3.3 + 0.75 * 5.6) + (0.5 * 3.8 + 0.25 * 6.1));
}

TEST(LatencyModelTest, TiedBlocksReachWhatOneCandidateForAllReaches) {
  TinySpaceOptions tied = kTiny;
  tied.zero = false;
  tied.share = true;
  const SearchSpace space = ParseSpace(TinySpaceToml(tied), "tied.toml");
  ASSERT_EQ(space.Gates().size(), 1u);
  // The first candidate is the cheap one in the first block and the dear one in the second.
  const LatencyModel model(space, FakeLatencyTable(space, [](const LayerDesc& layer) {
                             if (layer.op != LayerOp::kMbconv) return 1.0;
                             return (layer.kernel == 3) == (layer.stride == 2) ? 2.0
                                                                               : 5.0 + layer.kernel;
                           }));
  EXPECT_DOUBLE_EQ(model.PathMs(std::vector<int>{0, 0}), 2 + 2 + 8);
  EXPECT_DOUBLE_EQ(model.PathMs(std::vector<int>{1, 1}), 2 + 10 + 2);
  EXPECT_DOUBLE_EQ(model.SmallestReachableMs(), 12) << "not 6, which no tied path has";
  EXPECT_DOUBLE_EQ(model.LargestReachableMs(), 14);
  EXPECT_DOUBLE_EQ(model.UniformExpectedMs(), 13);
}

TEST(LatencyModelTest, CertainPathsCostWhatTheirPathCosts) {
  const LatencyModel model = TinyModel();
  for (int a = 0; a < 2; ++a) {
    for (int b = 0; b < 3; ++b) {
      BlockProbabilities certain{{0, 0}, {0, 0, 0}};
      certain[0][static_cast<std::size_t>(a)] = 1;
      certain[1][static_cast<std::size_t>(b)] = 1;
      EXPECT_DOUBLE_EQ(model.ExpectedMs(certain), model.PathMs(std::vector<int>{a, b}));
    }
  }
}

TEST(LatencyModelTest, GradientMatchesFiniteDifferences) {
  const SearchSpace space = LoadSpace("fashion");
  const LatencyModel model(space, FakeLatencyTable(space));
  Alphas alphas = RandomAlphas(model);
  const double step = 1e-5;
  for (int block = 0; block < model.blocks(); ++block) {
    std::vector<double>& alpha = alphas[static_cast<std::size_t>(block)];
    const std::vector<double> gradient = model.AlphaGradientMs(block, Softmax64(alpha));
    ASSERT_EQ(gradient.size(), alpha.size());
    double sum = 0;
    for (std::size_t i = 0; i < alpha.size(); ++i) {
      const double kept = alpha[i];
      alpha[i] = kept + step;
      const double above = model.ExpectedMs(Probabilities(alphas));
      alpha[i] = kept - step;
      const double below = model.ExpectedMs(Probabilities(alphas));
      alpha[i] = kept;
      // Truncation is step^2 of a value of order 0.1 ms, rounding 1e-16 * E / step.
      EXPECT_NEAR(gradient[i], (above - below) / (2 * step), 1e-9) << block << " " << i;
      EXPECT_GT(std::abs(gradient[i]), 1e-7) << "too small for the comparison to mean anything";
      sum += gradient[i];
    }
    EXPECT_NEAR(sum, 0, 1e-15);
  }
}

TEST(LatencyModelTest, AddingAConstantToTheAlphasChangesNothing) {
  const LatencyModel model = TinyModel();
  const Alphas alphas = RandomAlphas(model);
  Alphas shifted = alphas;
  for (std::vector<double>& alpha : shifted) {
    for (double& value : alpha) value += 17.5;
  }
  EXPECT_NEAR(model.ExpectedMs(Probabilities(shifted)), model.ExpectedMs(Probabilities(alphas)),
              1e-12);
  for (int block = 0; block < model.blocks(); ++block) {
    const auto index = static_cast<std::size_t>(block);
    const std::vector<double> before = model.AlphaGradientMs(block, Softmax64(alphas[index]));
    const std::vector<double> after = model.AlphaGradientMs(block, Softmax64(shifted[index]));
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-12);
  }
}

TEST(LatencyModelTest, NamesEveryMissingKeyOnce) {
  LatencyTable table = FakeLatencyTable(TinySpace(kTiny), TinyMs);
  const std::string first = "Conv-input:8x8x3-output:8x8x4";
  const std::string second =
      "expanded_conv-input:4x4x8-output:4x4x8-expand:3-kernel:3-stride:1-idskip:1";
  ASSERT_EQ(table.entries.erase(first), 1u);
  ASSERT_EQ(table.entries.erase(second), 1u);
  try {
    const LatencyModel model(TinySpace(kTiny), table, {.name = "pixel.json"});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_EQ(
        std::string(error.what()),
        "pixel.json: found no entry for 2 keys: " + first + ", " + second +
            "; measure them on the device (search --latency-table measure does so here) or give a "
            "table that has them");
  }
}

TEST(LatencyModelTest, RefusesWhatDoesNotFitTheSpace) {
  const LatencyModel model = TinyModel();
  EXPECT_THROW(model.Row(2), Error);
  EXPECT_THROW(model.PathMs(std::vector<int>{0}), Error);
  EXPECT_THROW(model.PathMs(std::vector<int>{0, 3}), Error);
  EXPECT_THROW(model.ExpectedMs({{1, 0}}), Error);
  EXPECT_THROW(model.ExpectedMs({{1, 0}, {1, 0}}), Error);
}

TEST(LatencyModelTest, PredictsANetworkLayerByLayer) {
  const SearchSpace space = TinySpace(kTiny);
  LatencyTable table = FakeLatencyTable(space, TinyMs);
  const NetworkDesc network = Derive(space, std::vector<int>{1, 0});
  const NetworkPrediction whole = PredictNetwork(table, network);
  EXPECT_DOUBLE_EQ(whole.total, TinyModel().PathMs(std::vector<int>{1, 0}));
  ASSERT_EQ(whole.layers.size(), 4u);
  EXPECT_EQ(whole.layers[1].key,
            "expanded_conv-input:8x8x4-output:4x4x8-expand:6-kernel:5-stride:2-idskip:0");
  EXPECT_DOUBLE_EQ(whole.layers[1].cost, 5.6);
  EXPECT_TRUE(whole.missing.empty());
  // A skipped block is no layer to time.
  EXPECT_EQ(PredictNetwork(table, Derive(space, std::vector<int>{1, 2})).layers.size(), 3u);

  table.entries.erase(whole.layers[1].key);
  const NetworkPrediction part = PredictNetwork(table, network);
  EXPECT_EQ(part.missing, std::vector<std::string>{whole.layers[1].key});
  EXPECT_DOUBLE_EQ(part.total, whole.total - 5.6);
}

}  // namespace
}  // namespace nasengine
