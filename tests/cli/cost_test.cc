// `cost` as a user runs it: it measures, and its document adds up.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/program.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

using Json = nlohmann::json;

class CostTest : public ::testing::Test {
 protected:
  ProgramResult Cost(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"cost", "--space", task_.space, "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram(arguments);
  }

  const TempDir folder_;
  const TinyTask task_{folder_.path()};
};

TEST_F(CostTest, MeasuresAndMultiplies) {
  for (const std::string algorithm : {"proxyless-g", "proxyless-g-two", "proxyless-r", "darts"}) {
    const ProgramResult result =
        Cost({"--images", "1000", "--watts", "50", "--algorithm", algorithm, "--json"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    const Json json = Json::parse(result.out);
    EXPECT_EQ(json["algorithm"], algorithm);
    EXPECT_EQ(json["images"], 1000);
    const double scale = json["batch"].get<double>() / json["measured"]["batch"].get<double>();
    const auto expect_product = [&](const std::string& phase, const std::string& step) {
      const Json& cost = json["phases"][phase];
      const double seconds = cost["seconds"];
      EXPECT_GT(seconds, 0);
      EXPECT_NEAR(seconds,
                  cost["weight_steps"].get<double>() * scale * json["measured"][step].get<double>(),
                  1e-9 * seconds);
    };
    expect_product("warmup", "weight_seconds");
    expect_product("train", "training_seconds");
    EXPECT_GT(json["measured"]["architecture_seconds"], 0);
    EXPECT_NEAR(json["kilowatt_hours"]["total"].get<double>(),
                0.05 * json["device_hours"]["total"].get<double>(), 1e-12);
    EXPECT_EQ(json["published"].size(), 4u);
  }
}

TEST_F(CostTest, ScalesAMeasuredStepToTheRecipesBatch) {
  const ProgramResult result = Cost({"--images", "1000", "--batch", "2", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["measured"]["batch"], 2);
  EXPECT_GT(json["batch"], 2);
}

TEST_F(CostTest, CountsTheImagesOfTheData) {
  const ProgramResult result = Cost({"--data", task_.data, "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Json::parse(result.out)["images"], 4096);
}

TEST_F(CostTest, RefusesInOneLine) {
  ExpectRefusal(Cost({}), 1, {"--images N", "--data DATA"});
  ExpectRefusal(Cost({"--images", "0"}), 1, {"--images", "found 0"});
  ExpectRefusal(Cost({"--images", "5"}), 1, {"--images", "found 5"});
  ExpectRefusal(Cost({"--images", "many"}), 2, {"--images", "many"});
  ExpectRefusal(Cost({"--images", "1000", "--watts", "-1"}), 1, {"--watts", "found -1"});
  ExpectRefusal(Cost({"--images", "1000", "--price", "nan"}), 1, {"--price", "nan"});
  ExpectRefusal(Cost({"--images", "1000", "--batch", "1"}), 1, {"--batch", "found 1"});
  ExpectRefusal(Cost({"--images", "1000", "--algorithm", "best"}), 1, {"--algorithm", "best"});
  ExpectRefusal(Cost({"--images", "1000", "--data", "/none"}), 1, {"/none"});
  ExpectRefusal(Cost({"--images", "1000", "--width", "0"}), 1, {"width", "found 0"});
  ExpectRefusal(RunProgram({"cost", "--space", "/none.toml"}), 1, {"/none.toml"});
}

}  // namespace
}  // namespace nasengine
