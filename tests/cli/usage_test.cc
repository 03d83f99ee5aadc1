// What the program says about itself, and what it calls wrong usage.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

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

TEST(UsageTest, HelpsWithExamples) {
  const ProgramResult all = RunProgram({"--help"});
  EXPECT_EQ(all.exit_code, 0);
  EXPECT_EQ(all.err, "");
  for (const std::string command : {"search", "train", "eval", "predict", "cost", "info"}) {
    EXPECT_TRUE(Has(all.out, "\n  " + command)) << all.out;
    const ProgramResult one = RunProgram({command, "--help"});
    EXPECT_EQ(one.exit_code, 0);
    EXPECT_EQ(one.err, "");
    EXPECT_TRUE(Has(one.out, "Examples:\n  nasengine " + command)) << one.out;
    EXPECT_TRUE(Has(one.out, "--json")) << one.out;
  }
}

TEST(UsageTest, KnowsItsVersion) {
  const ProgramResult result = RunProgram({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out.rfind("nasengine 0.", 0), 0u) << result.out;
}

TEST(UsageTest, CallsWrongUseWrong) {
  const ProgramResult nothing = RunProgram({});
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_TRUE(Has(nothing.err, "Usage")) << nothing.err;
  ExpectRefusal(RunProgram({"serch"}), 2, {"unknown command 'serch'", "nasengine --help"});
  ExpectRefusal(
      RunProgram({"search", "--epoch", "3"}), 2,
      {"unknown flag '--epoch', did you mean '--epochs'?", "see nasengine search --help"});
  ExpectRefusal(RunProgram({"search", "--no-such-flag=1"}), 2, {"unknown flag '--no-such-flag' ("});
  ExpectRefusal(RunProgram({"search", "--max-steps", "-5", "--epoch", "3"}), 2,
                {"unknown flag '--epoch'"});
  ExpectRefusal(RunProgram({"search", "here"}), 2, {"found 'here'"});
  ExpectRefusal(RunProgram({"search", "--epochs"}), 2, {"--epochs"});
  ExpectRefusal(RunProgram({"search", "--epochs", "three"}), 2, {"--epochs", "three"});
  ExpectRefusal(RunProgram({"search", "--seed", "-1"}), 2, {"--seed"});
  ExpectRefusal(RunProgram({"info"}), 2, {"--space", "--network"});
  ExpectRefusal(RunProgram({"info", "--space", "fashion", "--network", "x"}), 2, {"one of"});
  ExpectRefusal(RunProgram({"train"}), 2, {"--network NAME|FILE is missing"});
  ExpectRefusal(RunProgram({"eval", "--network", "x"}), 2, {"--weights FILE is missing"});
}

TEST(UsageTest, RefusesWhatIsNotThere) {
  for (const std::string flag :
       {"--resume", "--target-latency", "--resolution", "--targets", "--tolerance"}) {
    ExpectRefusal(RunProgram({"search", flag, "1"}), 2, {flag});
  }
  for (const std::string command : {"profile", "compare", "export", "report", "zoo"}) {
    ExpectRefusal(RunProgram({command}), 2, {"unknown command '" + command + "'"});
  }
  ExpectRefusal(RunProgram({"search", "--dtype", "f16"}), 1, {"f16", "f32, bf16"});
  ExpectRefusal(RunProgram({"search", "--algorithm", "magic"}), 1,
                {"magic", "proxyless-g, proxyless-g-two"});
  ExpectRefusal(RunProgram({"search", "--objective", "target"}), 1, {"target", "add-linear"});
}

TEST(InfoTest, DescribesTheBuiltinSpaces) {
  const ProgramResult imagenet = RunProgram({"info", "--space", "proxyless-imagenet", "--json"});
  EXPECT_EQ(imagenet.exit_code, 0) << imagenet.err;
  EXPECT_EQ(imagenet.err, "");
  const Json json = Json::parse(imagenet.out);
  EXPECT_EQ(json["input"], Json({224, 224, 3}));
  EXPECT_EQ(json["searchable_blocks"], 21);
  EXPECT_EQ(json["architecture_parameters"], 141);
  EXPECT_EQ(json["supernet_parameters"], 16034168);
  EXPECT_TRUE(json["largest"].contains("macs"));
  EXPECT_TRUE(json["smallest"].contains("parameters"));
  EXPECT_FALSE(json.contains("memory_plan"));

  const ProgramResult fashion = RunProgram({"info", "--space", "fashion", "--json"});
  EXPECT_EQ(fashion.exit_code, 0) << fashion.err;
  EXPECT_EQ(Json::parse(fashion.out)["input"], Json({28, 28, 1}));
  EXPECT_TRUE(Has(RunProgram({"info", "--space", "fashion"}).out, "searchable blocks"));
}

TEST(InfoTest, DescribesPublishedNetworksAndWidths) {
  const auto info = [](const std::vector<std::string>& words) {
    std::vector<std::string> all = {"info", "--json"};
    all.insert(all.end(), words.begin(), words.end());
    const ProgramResult result = RunProgram(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out);
  };
  const Json gpu = info({"--network", "proxyless-gpu"});
  EXPECT_EQ(gpu["parameters"], 7119848);
  EXPECT_EQ(gpu["macs"], 465260160);
  EXPECT_EQ(gpu["layers"].size(), 25u);
  EXPECT_EQ(info({"--network", "mobilenet-v2@0.75"})["network"], "mobilenet-v2@0.75");
  const Json narrow = info({"--space", "cifar", "--width", "0.5"});
  EXPECT_EQ(narrow["input"], Json({32, 32, 3}));
  EXPECT_LT(narrow["supernet_parameters"], info({"--space", "cifar"})["supernet_parameters"]);

  ExpectRefusal(RunProgram({"info", "--network", "mobilenet-v2", "--width", "0.5"}), 2,
                {"--width goes with --space", "NAME@WIDTH"});
  ExpectRefusal(RunProgram({"info", "--space", "cifar", "--width", "0"}), 1, {"--width: found 0"});
  ExpectRefusal(RunProgram({"info", "--network", "mobilenet"}), 1,
                {"'mobilenet'", "mobilenet-v2", "proxyless-mobile-1.4"});
}

TEST(InfoTest, PlansMemory) {
  const TempDir folder;
  const TinyTask task(folder.path());
  std::int64_t smaller_peak = 0;
  for (const std::string batch : {"8", "32"}) {
    const ProgramResult result =
        RunProgram({"info", "--space", task.space, "--batch", batch, "--algorithm", "proxyless-g",
                    "--dtype", "f32", "--threads", "1", "--json"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const Json plan = Json::parse(result.out)["memory_plan"];
    std::int64_t sum = 0;
    for (const char* part :
         {"weights", "gradients", "optimizer", "activations", "workspace", "data"}) {
      sum += plan[part].get<std::int64_t>();
    }
    EXPECT_EQ(sum, plan["peak"].get<std::int64_t>());
    EXPECT_GT(plan["activations"], 0);
    EXPECT_GT(plan["peak"], smaller_peak);
    smaller_peak = plan["peak"];
  }
}

TEST(InfoTest, SaysWhoServesWhat) {
  const TempDir folder;
  const TinyTask task(folder.path());
  const auto served = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"info",     "--space",   task.space, "--batch", "8",
                                    "--policy", "--threads", "1",        "--json"};
    all.insert(all.end(), more.begin(), more.end());
    const ProgramResult result = RunProgram(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out)["kernels"];
  };
  EXPECT_FALSE(served({})["choices"].empty());
  const Json given = served({"--kernels", "reference"});
  EXPECT_TRUE(given["policy"].is_null());
  for (const Json& choice : given["choices"]) EXPECT_EQ(choice["served"], "reference");
  ExpectRefusal(RunProgram({"info", "--space", "fashion", "--policy"}), 2, {"--batch"});
}

TEST(InfoTest, SaysWhenItCannotPrint) {
  const ProgramResult result = RunProgram({"info", "--space", "fashion"}, ".", "exec >/dev/full");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(Has(result.err, "error: ")) << result.err;
  EXPECT_TRUE(Has(result.err, "No space left")) << result.err;
}

TEST(ConfigFileTest, FlagsWinAndUnknownKeysHaveAPlace) {
  const TempDir folder;
  const std::string path = folder / "my.toml";
  WriteFileAtomically(path, "space = \"proxyless-imagenet\"\njson = true\n");
  const ProgramResult from_file = RunProgram({"info", "--config", path});
  EXPECT_EQ(Json::parse(from_file.out)["searchable_blocks"], 21) << from_file.err;
  const ProgramResult from_flag = RunProgram({"info", "--config", path, "--space", "fashion"});
  EXPECT_EQ(Json::parse(from_flag.out)["space"], "fashion") << from_flag.err;
  WriteFileAtomically(path, "json = true\nspce = \"fashion\"\n");
  ExpectRefusal(RunProgram({"info", "--config", path}), 1, {path + ":2:1: ", "spce"});
  ExpectRefusal(RunProgram({"search", "--config", path}), 1, {path + ":2:1: ", "spce"});
  ExpectRefusal(RunProgram({"search", "--config", folder / "none.toml"}), 1, {"none.toml"});
}

}  // namespace
}  // namespace nasengine
