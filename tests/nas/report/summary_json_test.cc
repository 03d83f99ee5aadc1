// SPDX-License-Identifier: MIT
#include "nas/report/summary_json.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "tests/nas/report/sample_summary.h"

namespace nasengine {
namespace {

using Json = nlohmann::json;

TEST(SummaryJsonTest, HasTheKeysThatScriptsRead) {
  const SearchSummary summary = SampleSummary();
  const Json json = Json::parse(SummaryToJson(summary));
  EXPECT_EQ(json["algorithm"], "proxyless-g");
  EXPECT_EQ(json["seed"], 3);
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_EQ(json["dtype"], "f32");
  EXPECT_EQ(json["data"], "fashion-mnist");
  EXPECT_EQ(json["space"], "fashion");
  EXPECT_EQ(json["width"], 0.75);
  EXPECT_EQ(json["objective"], "add-linear");
  EXPECT_EQ(json["steps"], 100);
  EXPECT_EQ(json["architecture"], Json(summary.network.architecture));
  EXPECT_EQ(json["architecture"].size(), 7u);
  EXPECT_EQ(json["parameters"], summary.parameters);
  EXPECT_EQ(json["macs"], summary.macs);
  EXPECT_EQ(json["latency_ms"]["expected"], 0.5);
  EXPECT_EQ(json["latency_ms"]["predicted"], 0.4);
  EXPECT_EQ(json["latency_ms"]["measured"], 0.3);
  EXPECT_EQ(json["latency_ms"]["sum_of_layers"], 0.35);
  EXPECT_EQ(json["accuracy"], Json({{"validation_top1", 92.25}, {"test_top1", 91.75}}));
  EXPECT_EQ(json["supernet_top1"], 88.5);
  EXPECT_EQ(json["peak_bytes"], Json({{"total", 100 << 20},
                                      {"weights", 1},
                                      {"gradients", 2},
                                      {"optimizer", 3},
                                      {"activations", 4},
                                      {"workspace", 5},
                                      {"data", 6}}));
  EXPECT_EQ(json["seconds"], Json({{"profile", 10.0},
                                   {"warmup", 20.0},
                                   {"search", 30.0},
                                   {"train", 40.0},
                                   {"total", 110.0}}));
}

TEST(SummaryJsonTest, ListsWarnings) {
  SearchSummary summary = SampleSummary();
  EXPECT_EQ(Json::parse(SummaryToJson(summary))["warnings"], Json::array());
  summary.warnings.push_back({.name = "frozen-early", .finding = "seen", .advice = "do"});
  EXPECT_EQ(Json::parse(SummaryToJson(summary))["warnings"],
            Json::array({{{"name", "frozen-early"}, {"finding", "seen"}, {"advice", "do"}}}));
}

TEST(SummaryJsonTest, SaysNullForWhatWasNotMeasured) {
  SearchSummary summary = SampleSummary();
  summary.latency_ms.measured = 0;
  summary.baselines.push_back(SampleBaseline());
  summary.latency_ms.expected = std::numeric_limits<double>::quiet_NaN();
  const Json json = Json::parse(SummaryToJson(summary));
  EXPECT_TRUE(json["latency_ms"]["measured"].is_null());
  EXPECT_TRUE(json["latency_ms"]["expected"].is_null());
  EXPECT_EQ(json["baselines"][0]["kind"], "uniform 5x5_MBConv3");
  EXPECT_TRUE(json["baselines"][0]["latency_ms"]["measured"].is_null());
}

}  // namespace
}  // namespace nasengine
