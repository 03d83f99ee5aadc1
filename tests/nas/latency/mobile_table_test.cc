// The model with the published phone table, against the values worked out by hand from it.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "nas/latency/latency_model.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

// The published table is flat YAML: a key at the start of a line, indented numbers below it.
LatencyTable ReadPublishedTable(const std::string& path) {
  LatencyTable table{.device = "Google Pixel 1",
                     .runtime = "TensorFlow Lite",
                     .created_by = "a test",
                     .protocol = "published means"};
  std::ifstream file(path);
  std::string key;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    const std::size_t colon = line[0] == ' ' ? line.find(": ") : line.rfind(':');
    if (line[0] != ' ') {
      key = line.substr(0, colon);
    } else if (line.find("count") != std::string::npos) {
      table.entries[key].samples = std::stoll(line.substr(colon + 1));
    } else if (line.find("mean") != std::string::npos) {
      table.entries[key].latency_ms = std::stod(line.substr(colon + 1));
    }
  }
  // Through the file format, so that the test covers it with a table of real numbers.
  return LatencyTableFromJson(LatencyTableToJson(table), path);
}

class MobileTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("NASENGINE_SHARED");
    if (shared == nullptr) {
      GTEST_SKIP() << "NASENGINE_SHARED does not name the folder with data/mobile_lut";
    }
    const std::string path = std::string(shared) + "/data/mobile_lut/mobile_trim.yaml";
    if (!std::ifstream(path)) GTEST_SKIP() << path << " is not there";
    table_ = ReadPublishedTable(path);
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
    EXPECT_NEAR(prediction.latency_ms, latency_ms, kTolerance) << candidate;
  }
}

TEST_F(MobileTableTest, RefusesAnotherSizeOrAnotherHead) {
  const NetworkDesc network =
      Derive(WithData(space_, {224, 224, 3}, 10), AllOf(space_, "3x3_MBConv3"));
  const NetworkPrediction prediction = PredictNetwork(table_, network);
  EXPECT_EQ(prediction.missing, std::vector<std::string>{"Logits-input:7x7x1280-output:10"});
  EXPECT_NEAR(prediction.latency_ms, 76.048099 - 0.309642, 2e-6);
  EXPECT_ANY_THROW(LatencyModel(WithData(space_, {192, 192, 3}, 1000), table_));
}

}  // namespace
}  // namespace nasengine
