// `nasengine predict` as a user runs it.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/core/file_io.h"
#include "tests/cli/program.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

using Json = nlohmann::json;

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(PredictTest, CountsMacsOfNetworksAndSpaces) {
  const ProgramResult network =
      RunProgram({"predict", "--network", "proxyless-gpu", "--latency-table", "macs", "--json"});
  ASSERT_EQ(network.exit_code, 0) << network.err;
  const Json json = Json::parse(network.out);
  EXPECT_NEAR(json["cost"].get<double>(), 465.26016, 1e-9);
  EXPECT_EQ(json["unit"]["unit"], "M");
  EXPECT_FALSE(json.contains("latency_ms"));
  EXPECT_TRUE(json["missing"].empty());
  const ProgramResult space =
      RunProgram({"predict", "--space", "proxyless-imagenet", "--latency-table", "macs", "--json"});
  ASSERT_EQ(space.exit_code, 0) << space.err;
  EXPECT_NEAR(Json::parse(space.out)["expected_cost"].get<double>(), 373.300544, 1e-6);
  const ProgramResult narrow = RunProgram({"predict", "--space", "proxyless-imagenet", "--width",
                                           "0.5", "--latency-table", "macs", "--json"});
  ASSERT_EQ(narrow.exit_code, 0) << narrow.err;
  EXPECT_NEAR(Json::parse(narrow.out)["expected_cost"].get<double>(), 138.41364, 1e-6);
}

TEST(PredictTest, PutsTwoNetworksSideBySide) {
  const ProgramResult text = RunProgram({"predict", "--network", "proxyless-gpu", "--against",
                                         "proxyless-cpu", "--latency-table", "macs"});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_TRUE(Has(text.out, "proxyless-gpu: 465.3 M\n  proxyless-cpu: 439.2 M\n")) << text.out;
  EXPECT_TRUE(Has(text.out, "difference")) << text.out;
}

TEST(PredictTest, RefusesWhatTheTableLacks) {
  const TempDir dir;
  const TinyTask task(dir.path());
  const ProgramResult result =
      RunProgram({"predict", "--network", "mobilenet-v2", "--latency-table", task.table, "--json"});
  EXPECT_EQ(result.exit_code, 1);
  const Json json = Json::parse(result.out);
  EXPECT_TRUE(json["latency_ms"].is_null());
  EXPECT_FALSE(json["missing"].empty());
  EXPECT_TRUE(Has(result.err, "found no entry for")) << result.err;
}

TEST(PredictTest, CallsWrongUseWrong) {
  ExpectRefusal(RunProgram({"predict"}), 2, {"--network", "--space"});
  ExpectRefusal(RunProgram({"predict", "--space", "fashion"}), 2, {"--latency-table"});
  ExpectRefusal(
      RunProgram({"predict", "--space", "fashion", "--against", "x", "--latency-table", "macs"}), 2,
      {"--against"});
  ExpectRefusal(RunProgram({"predict", "--network", "mobilenet-v2", "--alphas", "x",
                            "--latency-table", "macs"}),
                2, {"--alphas"});
  ExpectRefusal(RunProgram({"predict", "--network", "mobilenet-v2", "--width", "0.5",
                            "--latency-table", "macs"}),
                2, {"--width", "NAME@WIDTH"});
  ExpectRefusal(RunProgram({"predict", "--network", "mobilenet-v2", "--cost", "energy",
                            "--latency-table", "macs"}),
                1, {"--cost", "macs"});
  ExpectRefusal(RunProgram({"predict", "--network", "nix", "--latency-table", "macs"}), 1, {"nix"});
}

class PredictPublishedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("NASENGINE_SHARED");
    if (shared == nullptr) GTEST_SKIP() << "NASENGINE_SHARED names no folder";
    table_ = std::string(shared) + "/data/mobile_lut/mobile_trim.yaml";
    if (!std::ifstream(table_)) GTEST_SKIP() << table_ << " is not there";
  }
  std::string table_;
};

TEST_F(PredictPublishedTest, ExpectsWhatThePublishedTableSays) {
  const ProgramResult result = RunProgram({"predict", "--space", "proxyless-imagenet", "--alphas",
                                           "uniform", "--latency-table", table_, "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_NEAR(json["expected_latency_ms"].get<double>(), 113.988129, 1e-6);
  ASSERT_EQ(json["gradient"].size(), 21u);
  for (const Json& row : json["gradient"]) {
    double sum = 0;
    for (const Json& number : row) sum += number.get<double>();
    EXPECT_NEAR(sum, 0, 1e-9);
  }
}

TEST_F(PredictPublishedTest, RefusesTheReleasedNetworksByTheirMissingKeys) {
  const ProgramResult mobile =
      RunProgram({"predict", "--network", "proxyless-mobile", "--latency-table", table_, "--json"});
  EXPECT_EQ(mobile.exit_code, 1);
  const Json json = Json::parse(mobile.out);
  const std::string kind = "expanded_conv-input:";
  EXPECT_EQ(json["missing"].get<std::vector<std::string>>(),
            (std::vector<std::string>{
                kind + "112x112x16-output:56x56x32-expand:3-kernel:5-stride:2-idskip:0",
                kind + "56x56x32-output:56x56x32-expand:3-kernel:3-stride:1-idskip:1",
                kind + "56x56x32-output:28x28x40-expand:3-kernel:7-stride:2-idskip:0"}));
  EXPECT_NEAR(json["present_latency_ms"].get<double>(), 63.705484, 1e-6);
  for (const Json& key : json["missing"]) {
    EXPECT_TRUE(Has(mobile.err, key.get<std::string>())) << mobile.err;
  }
  const ProgramResult pair = RunProgram({"predict", "--network", "proxyless-mobile", "--against",
                                         "mobilenet-v2", "--latency-table", table_});
  EXPECT_EQ(pair.exit_code, 1);
  EXPECT_TRUE(Has(pair.out, "missing")) << pair.out;
  EXPECT_FALSE(Has(pair.out, " 0 ")) << pair.out;
  const ProgramResult v2 =
      RunProgram({"predict", "--network", "mobilenet-v2", "--latency-table", table_, "--json"});
  EXPECT_EQ(v2.exit_code, 1);
  EXPECT_EQ(Json::parse(v2.out)["missing"].size(), 12u);
  EXPECT_NEAR(Json::parse(v2.out)["present_latency_ms"].get<double>(), 49.071873, 1e-6);
}

TEST_F(PredictPublishedTest, LeavesASpaceThatTheTableDoesNotCoverAlone) {
  const TempDir dir;
  ExpectRefusal(RunProgram({"search", "--space", "fashion", "--data", "synthetic:28x28x1:10",
                            "--dry-run", "--latency-table", table_},
                           dir.path()),
                1, {"found no entry for", "--latency-classes"});
}

}  // namespace
}  // namespace nasengine
