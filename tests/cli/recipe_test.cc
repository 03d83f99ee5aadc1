// Recipes as users give them: presets, single values, what they change in a run and its folder.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/core/file_io.h"
#include "tests/cli/tiny_search.h"

namespace nasengine {
namespace {

using Json = nlohmann::json;

using RecipeCliTest = TinySearchTest;

TEST_F(RecipeCliTest, APresetIsTheRecipeThatIsWrittenAndRepeated) {
  // No architecture step comes in the first epoch, of 15 batches.
  const ProgramResult result = Search("a", {"--preset", "official", "--max-steps", "20"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::string toml = ReadFile(Path("a/run.toml"));
  for (const char* line :
       {"\nresized_crop = true\n", "\ncolor_jitter = \"normal\"\n", "\nsplit_seed = 0\n",
        "\ndecay = \"all\"\n", "\nvalidate_every = 1\n", "\nbatch = 256\n", "\narch-every = 5\n"}) {
    EXPECT_NE(toml.find(line), std::string::npos) << line << toml;
  }
  EXPECT_EQ(toml.find("preset"), std::string::npos) << "its values say it all";
  ASSERT_EQ(RunProgram({"search", "--config", Path("a/run.toml"), "--out", Path("b")}).exit_code,
            0);
  EXPECT_EQ(Timeless("a"), Timeless("b"));
  EXPECT_EQ(ReadFile(Path("a/weights.safetensors")), ReadFile(Path("b/weights.safetensors")));
}

TEST_F(RecipeCliTest, ValidatesAfterEpochsAndWarnsInTheSummary) {
  const std::string config = Path("config.toml");
  WriteFileAtomically(config, "[recipe]\nvalidate_every = 1\ndrop_last = false\n");
  // 3,686 images make 4 batches, so that nothing is trained often enough.
  const ProgramResult result = RunProgram(
      task_.Search({"--config", config, "--batch", "1000", "--out", Path("run"), "--json"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::vector<Json> validations;
  for (const Json& record : Metrics("run")) {
    if (record["phase"] == "eval") validations.push_back(record);
  }
  ASSERT_EQ(validations.size(), 2u);
  EXPECT_EQ(validations[0]["epoch"], 0);
  EXPECT_EQ(validations[1]["epoch"], 1);
  EXPECT_EQ(validations[1]["step"], 4);
  EXPECT_GT(validations[1]["top1"], 0);
  EXPECT_NE(result.err.find("epoch 2: the likeliest path has "), std::string::npos) << result.err;
  const Json warnings = Json::parse(result.out)["warnings"];
  ASSERT_GE(warnings.size(), 1u);
  EXPECT_EQ(warnings[0]["name"], "starved-candidate");
  EXPECT_NE(
      result.err.find("warning: starved-candidate: " + warnings[0]["finding"].get<std::string>()),
      std::string::npos)
      << result.err;
}

TEST_F(RecipeCliTest, PixelsAreNormalisedAlikeFromSearchToEvaluation) {
  const std::string config = Path("config.toml");
  WriteFileAtomically(config, "[recipe]\nmean = [0.25]\nstd = [0.125]\n");
  const ProgramResult searched = Search("run", {"--config", config, "--json"});
  ASSERT_EQ(searched.exit_code, 0) << searched.err;
  const ProgramResult evaluated = RunProgram({"eval", "--network", Path("run/architecture.json"),
                                              "--weights", Path("run/weights.safetensors"),
                                              "--data", task_.data, "--threads", "1", "--json"});
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
  EXPECT_EQ(Json::parse(evaluated.out)["top1"], Json::parse(searched.out)["accuracy"]["test_top1"]);
  WriteFileAtomically(config, "[recipe]\nmean = [0.2, 0.2]\nstd = [0.1, 0.1]\n");
  ExpectRefusal(Search("other", {"--config", config}), 1, {"2 means", "expected 1 of each"});
}

TEST_F(RecipeCliTest, TrainsByAPreset) {
  ASSERT_EQ(Search("run", {}).exit_code, 0);
  const ProgramResult result = RunProgram(
      {"train", "--network", Path("run/architecture.json"), "--data", task_.data, "--preset",
       "official-parallel", "--max-steps", "3", "--threads", "1", "--out", Path("t"), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json summary = Json::parse(result.out);
  EXPECT_EQ(summary["batch"], 512);
  EXPECT_EQ(summary["epochs"], 300);
  // The first step of a ramp over 5 epochs.
  EXPECT_DOUBLE_EQ(Metrics("t").front()["lr"], 0.0125);
  EXPECT_NE(result.err.find("under the preset official-parallel"), std::string::npos) << result.err;
}

TEST_F(RecipeCliTest, TrainsByTheRecipeOfTheRunThatFoundTheNetwork) {
  const std::string config = Path("config.toml");
  WriteFileAtomically(config, "[recipe]\nbatch = 96\ntrain_lr = 0.25\nlabel_smoothing = 0.0\n");
  ASSERT_EQ(Search("run", {"--config", config}).exit_code, 0);
  const ProgramResult result =
      RunProgram({"train", "--network", Path("run/architecture.json"), "--data", task_.data,
                  "--max-steps", "3", "--threads", "1", "--out", Path("t"), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Json::parse(result.out)["batch"], 96);
  EXPECT_EQ(Json::parse(result.out)["lr"], 0.25);
  EXPECT_EQ(ReadFile(Path("t/recipe.toml")).find("label_smoothing = 0.1"), std::string::npos);
  EXPECT_NE(result.err.find("recipe: " + Path("run/recipe.toml")), std::string::npos) << result.err;
}

// What a network from a space file of one's own needs, whose recipe no network carries.
TEST_F(RecipeCliTest, TrainsByTheRecipeOfAConfigurationFile) {
  ASSERT_EQ(Search("run", {}).exit_code, 0);
  const std::string config = Path("config.toml");
  const std::vector<std::string> train = {"train",    "--network", Path("run/architecture.json"),
                                          "--data",   task_.data,  "--max-steps",
                                          "3",        "--threads", "1",
                                          "--config", config,      "--out",
                                          Path("t"),  "--json"};
  WriteFileAtomically(config,
                      "epochs = 7\n[recipe]\nbatch = 96\ntrain_lr = 0.25\ndropout = 0.5\n"
                      "mean = [0.0]\nstd = [0.5]\n");
  const ProgramResult result = RunProgram(train);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Json::parse(result.out)["batch"], 96);
  EXPECT_EQ(Json::parse(result.out)["epochs"], 7);
  EXPECT_DOUBLE_EQ(Metrics("t").front()["lr"], 0.25);
  const Json network = Json::parse(ReadFile(Path("t/architecture.json")));
  EXPECT_EQ(network["layers"].back()["dropout"], 0.5);
  EXPECT_EQ(network["normalization"], Json({{"mean", {0.0}}, {"std", {0.5}}}));
  // The folder's own recipe repeats the training.
  const std::string weights = ReadFile(Path("t/weights.safetensors"));
  ASSERT_EQ(RunProgram({"train", "--network", Path("run/architecture.json"), "--data", task_.data,
                        "--max-steps", "3", "--threads", "1", "--config", Path("t/recipe.toml"),
                        "--out", Path("u")})
                .exit_code,
            0);
  EXPECT_EQ(ReadFile(Path("u/weights.safetensors")), weights);
  WriteFileAtomically(config, "[recipe]\ntrain_rate = 0.25\n");
  ExpectRefusal(RunProgram(train), 1, {config + ":2:1", "'train_rate'"});
  WriteFileAtomically(config, "epochs = 7\n[recipe]\ntrain_warmup_epochs = 7\n");
  ExpectRefusal(RunProgram(train), 1, {"train_warmup_epochs 7 for 7 epochs"});
}

}  // namespace
}  // namespace nasengine
