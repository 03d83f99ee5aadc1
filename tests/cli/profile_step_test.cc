// `--profile-step` by the program: tables, trace, and nothing else done.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "kernels/core/file_io.h"
#include "tests/cli/tiny_search.h"

namespace nasengine {
namespace {

using Json = nlohmann::json;

class ProfileStepTest : public TinySearchTest {
 protected:
  std::vector<std::string> FilesIn(const std::string& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(Path(folder))) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
};

TEST_F(ProfileStepTest, SearchProfilesBothStepsAndTakesNoOther) {
  const ProgramResult result = Search("p", {"--profile-step", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json document = Json::parse(result.out);
  ASSERT_EQ(document["steps"].size(), 2u);
  EXPECT_EQ(document["steps"][0]["step"], "weights");
  EXPECT_EQ(document["steps"][1]["step"], "architecture");
  for (const Json& step : document["steps"]) {
    double ms = step["outside_ms"];
    for (const Json& one : step["operators"]) ms += one["ms"].get<double>();
    EXPECT_NEAR(ms, step["ms"], 1e-9);
    EXPECT_GT(step["bytes"], 0);
  }
  EXPECT_EQ(document["trace"], Path("p") + "/trace.json");
  EXPECT_EQ(FilesIn("p"), std::vector<std::string>{"trace.json"});
  EXPECT_GT(Json::parse(ReadFile(Path("p/trace.json")))["traceEvents"].size(), 18u);
}

TEST_F(ProfileStepTest, EveryAlgorithmsStepsCanBeProfiled) {
  for (const std::string algorithm : {"proxyless-g-two", "proxyless-r", "darts", "random"}) {
    const ProgramResult result =
        Search(algorithm, {"--profile-step", "--json", "--algorithm", algorithm});
    ASSERT_EQ(result.exit_code, 0) << algorithm << ": " << result.err;
    EXPECT_EQ(Json::parse(result.out)["steps"].size(), algorithm == "random" ? 1u : 2u);
  }
}

TEST_F(ProfileStepTest, TrainPrintsATableAndTrainsNothing) {
  const ProgramResult result =
      RunProgram({"train", "--network", "mobilenet-v2@0.1", "--data", "synthetic:32x32x1:3",
                  "--batch", "8", "--profile-step", "--out", Path("t")},
                 folder_.path());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* part : {"step: training", "sgd_step", "outside operators", "trace.json"}) {
    EXPECT_NE(result.out.find(part), std::string::npos) << result.out;
  }
  EXPECT_EQ(FilesIn("t"), std::vector<std::string>{"trace.json"});
}

TEST_F(ProfileStepTest, RefusesWhatContradictsIt) {
  ExpectRefusal(Search("p", {"--profile-step", "--dry-run"}), 1, {"--dry-run", "--profile-step"});
  ASSERT_EQ(Search("p", {"--profile-step"}).exit_code, 0);
  ExpectRefusal(Search("p", {"--profile-step"}), 1, {"holds something already", "--force"});
}

}  // namespace
}  // namespace nasengine
