// The model with the published phone table, against the values worked out by hand from it.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "nas/latency/latency_model.h"
#include "nas/latency/table_file.h"
#include "nas/space/counts.h"
#include "nas/space/network_zoo.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

class MobileTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("NASENGINE_SHARED");
    if (shared == nullptr) {
      GTEST_SKIP() << "NASENGINE_SHARED does not name the folder with data/mobile_lut";
    }
    const std::string path = std::string(shared) + "/data/mobile_lut/mobile_trim.yaml";
    if (!std::ifstream(path)) GTEST_SKIP() << path << " is not there";
    table_ = LoadLatencyTable(path);
  }

  // The path that takes the candidate of this name in every block.
  static std::vector<int> AllOf(const SearchSpace& space, const std::string& candidate) {
    std::vector<int> path;
    for (const ChoiceNode* choice : space.Choices()) {
      path.push_back(FindCandidate(*choice, candidate));
    }
    return path;
  }

  SearchSpace space_ = LoadSpace("proxyless-imagenet");
  LatencyTable table_;
};

// The published values have six decimals.
constexpr double kTolerance = 1e-6;

TEST_F(MobileTableTest, GivesThePublishedSums) {
  ASSERT_EQ(table_.entries.size(), 72u);
  const LatencyModel model(space_, table_);
  EXPECT_NEAR(model.fixed_ms(), 11.364156, kTolerance);
  EXPECT_NEAR(model.UniformExpectedMs(), 113.988129, kTolerance);
  EXPECT_NEAR(model.SmallestReachableMs(), 29.608776, kTolerance);
  EXPECT_NEAR(model.LargestReachableMs(), 191.029871, kTolerance);
  EXPECT_NEAR(model.ReferenceMs(), (29.608776 + 113.988129) / 2, kTolerance);
  BlockProbabilities uniform;
  BlockProbabilities without_zero;
  for (const ChoiceNode* choice : space_.Choices()) {
    const std::size_t candidates = choice->candidates.size();
    uniform.emplace_back(candidates, 1.0 / static_cast<double>(candidates));
    without_zero.emplace_back(candidates, 1.0 / 6);
    for (std::size_t i = 0; i < candidates; ++i) {
      if (choice->candidates[i].op == LayerOp::kZero) without_zero.back()[i] = 0;
    }
  }
  EXPECT_NEAR(model.ExpectedMs(uniform), 113.988129, kTolerance);
  EXPECT_NEAR(model.ExpectedMs(without_zero), 125.647237, kTolerance);
}

TEST_F(MobileTableTest, GivesThePublishedPaths) {
  const LatencyModel model(space_, table_);
  const std::vector<std::pair<const char*, double>> expected = {
      {"3x3_MBConv3", 76.048099},  {"3x3_MBConv6", 136.466266}, {"5x5_MBConv3", 87.720278},
      {"5x5_MBConv6", 158.952746}, {"7x7_MBConv3", 103.666165}, {"7x7_MBConv6", 191.029871}};
  for (const auto& [candidate, latency_ms] : expected) {
    const std::vector<int> path = AllOf(space_, candidate);
    EXPECT_NEAR(model.PathMs(path), latency_ms, kTolerance) << candidate;
    const NetworkPrediction prediction = PredictNetwork(table_, Derive(space_, path));
    EXPECT_TRUE(prediction.missing.empty());
    EXPECT_NEAR(prediction.total, latency_ms, kTolerance) << candidate;
  }
}

TEST_F(MobileTableTest, GivesTheOperationsOfTheReleasedNetworkAtTheSpacesWidths) {
  const NetworkDesc released = LoadNetwork("proxyless-mobile");
  std::vector<int> path;
  for (const ChoiceNode* choice : space_.Choices()) {
    const auto layer = std::ranges::find(released.layers, choice->name, &LayerDesc::name);
    ASSERT_NE(layer, released.layers.end()) << choice->name;
    path.push_back(FindCandidate(*choice, CandidateName(*layer)));
  }
  EXPECT_NEAR(LatencyModel(space_, table_).PathMs(path), 82.523860, kTolerance);
  const Counts counts = CountNetwork(Derive(space_, path));
  EXPECT_EQ(counts.macs, 304227008);
  EXPECT_EQ(counts.parameters, 4073520);
}

TEST_F(MobileTableTest, RefusesAnotherSizeOrAnotherHead) {
  const NetworkDesc network =
      Derive(WithData(space_, {224, 224, 3}, 10), AllOf(space_, "3x3_MBConv3"));
  const NetworkPrediction prediction = PredictNetwork(table_, network);
  EXPECT_EQ(prediction.missing, std::vector<std::string>{"Logits-input:7x7x1280-output:10"});
  EXPECT_NEAR(prediction.total, 76.048099 - 0.309642, 2e-6);
  EXPECT_ANY_THROW(LatencyModel(WithData(space_, {192, 192, 3}, 1000), table_));
}

TEST_F(MobileTableTest, TakesTheHeadOfAsManyClassesAsItIsTold) {
  const SearchSpace ten = WithData(space_, {224, 224, 3}, 10);
  EXPECT_EQ(LatencyModel(ten, table_, {.classes = 1000}).UniformExpectedMs(),
            LatencyModel(space_, table_).UniformExpectedMs());
  const NetworkPrediction prediction =
      PredictNetwork(table_, Derive(ten, AllOf(ten, "3x3_MBConv3")), 1000);
  EXPECT_TRUE(prediction.missing.empty());
  EXPECT_NEAR(prediction.total, 76.048099, kTolerance);
}

// d E / d alpha by central differences of the expectation itself.
TEST_F(MobileTableTest, HasTheGradientOfItsExpectation) {
  const LatencyModel model(space_, table_);
  std::vector<std::vector<double>> alphas;
  for (const ChoiceNode* choice : space_.Choices()) {
    alphas.emplace_back();
    for (std::size_t k = 0; k < choice->candidates.size(); ++k) {
      alphas.back().push_back(std::sin(static_cast<double>(3 * alphas.size() + k)));
    }
  }
  const auto probabilities = [&] {
    BlockProbabilities rows;
    for (const std::vector<double>& alpha : alphas) {
      double sum = 0;
      rows.emplace_back();
      for (const double a : alpha) sum += std::exp(a);
      for (const double a : alpha) rows.back().push_back(std::exp(a) / sum);
    }
    return rows;
  };
  constexpr double kStep = 1e-5;
  for (const std::size_t block : {0u, 1u, 20u}) {
    const std::vector<double> gradient =
        model.AlphaGradientMs(static_cast<int>(block), probabilities()[block]);
    for (std::size_t k = 0; k < gradient.size(); ++k) {
      const double at = alphas[block][k];
      alphas[block][k] = at + kStep;
      const double above = model.ExpectedMs(probabilities());
      alphas[block][k] = at - kStep;
      const double below = model.ExpectedMs(probabilities());
      alphas[block][k] = at;
      // The expectation is of the order of 100 ms and carries its rounding into the difference.
      EXPECT_NEAR(gradient[k], (above - below) / (2 * kStep), 1e-7) << block << " " << k;
    }
  }
}

TEST_F(MobileTableTest, ReadsTheTablesOfAThirdParty) {
  const std::string folder = std::string(std::getenv("NASENGINE_SHARED")) + "/data/mobile_lut/";
  for (const std::string name : {"cpu_b", "cpu_s", "gpu"}) {
    const LatencyTable table = LoadLatencyTable(folder + "thirdparty_blocks_" + name + ".csv");
    EXPECT_EQ(table.entries.size(), 72u);
    EXPECT_GT(LatencyModel(space_, table).UniformExpectedMs(), 0);
  }
}

}  // namespace
}  // namespace nasengine
