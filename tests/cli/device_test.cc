// The program on a CUDA device: the emulated one, whose memory is out of the host's reach, so that
// anything above the kernels that touches it ends the program.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
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

class DeviceTest : public ::testing::Test {
 protected:
  ProgramResult Run(std::vector<std::string> words, const std::string& environment = "") const {
    words.insert(words.end(), {"--device", "cuda:0"});
    return RunProgram(words, folder_.path(),
                      "export NASENGINE_CUDA_PLUGIN=" NASENGINE_EMULATED_PLUGIN
                      " NASENGINE_EMULATED_GUARD=1 " +
                          environment);
  }
  // A search of a few steps into `out`.
  ProgramResult Search(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words =
        task_.Search({"--out", Path(out), "--batch", "8", "--max-steps", "4"});
    words.insert(words.end(), more.begin(), more.end());
    return Run(words);
  }
  std::string Path(const std::string& name) const { return folder_ / name; }
  Json Summary(const std::string& run) const {
    return Json::parse(ReadFile(Path(run + "/summary.json")));
  }

  TempDir folder_;
  TinyTask task_{folder_.path()};
};

TEST_F(DeviceTest, SearchesTrainsAndEvaluates) {
  const ProgramResult result = Search("run");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json summary = Summary("run");
  EXPECT_EQ(summary["device"], "cuda:0");
  EXPECT_GT(summary["accuracy"]["test_top1"].get<double>(), 0);
  EXPECT_GT(summary["peak_bytes"]["total"].get<std::int64_t>(), 0);

  const ProgramResult evaluated =
      Run({"eval", "--network", Path("run/architecture.json"), "--weights",
           Path("run/weights.safetensors"), "--data", task_.data, "--json"});
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
  const Json eval = Json::parse(evaluated.out);
  EXPECT_EQ(eval["top1"], summary["accuracy"]["test_top1"]);
  EXPECT_TRUE(std::isfinite(eval["loss"].get<double>()));
}

TEST_F(DeviceTest, TheSameSeedGivesTheSameBits) {
  ASSERT_EQ(Search("a").exit_code, 0);
  ASSERT_EQ(Search("b").exit_code, 0);
  for (const char* file : {"/architecture.json", "/weights.safetensors", "/alphas.json"}) {
    EXPECT_EQ(ReadFile(Path(std::string("a") + file)), ReadFile(Path(std::string("b") + file)))
        << file;
  }
}

// Every kernel of a step and its reference on a copy of the arguments.
TEST_F(DeviceTest, KernelsAgreeWithTheirReferencesInASearch) {
  for (const char* dtype : {"f32", "bf16"}) {
    const ProgramResult result =
        Search(dtype, {"--kernels", "check", "--dtype", dtype, "--max-steps", "2"});
    EXPECT_EQ(result.exit_code, 0) << dtype << ": " << result.err;
  }
}

TEST_F(DeviceTest, MeasuresATableOfTheDevice) {
  const ProgramResult result = Search("run", {"--latency-table", "measure", "--max-steps", "2"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json table = Json::parse(ReadFile(Path("run/latency.json")));
  EXPECT_EQ(table["device"], "emulated CUDA device");
}

TEST_F(DeviceTest, PlansWhatAStepTakes) {
  const ProgramResult result = Run({"info", "--space", task_.space, "--batch", "8", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_GT(Json::parse(result.out)["memory_plan"]["peak"].get<std::int64_t>(), 0);
}

TEST_F(DeviceTest, SaysWhyThereIsNone) {
  const std::pair<const char*, const char*> kErrors[] = {{"35", "cudaErrorInsufficientDriver"},
                                                         {"34", "cudaErrorStubLibrary"},
                                                         {"100", "cudaErrorNoDevice"}};
  for (const auto& [code, name] : kErrors) {
    ExpectRefusal(Run({"search"}, std::string("NASENGINE_EMULATED_ERROR=") + code), 1,
                  {"no CUDA device", name});
  }
  std::vector<std::string> second = task_.Search({"--device", "cuda:1"});
  ExpectRefusal(
      RunProgram(second, folder_.path(), "export NASENGINE_CUDA_PLUGIN=" NASENGINE_EMULATED_PLUGIN),
      1, {"no CUDA device 1", "cuda:0"});
  EXPECT_FALSE(std::filesystem::exists(Path("runs")));
}

TEST_F(DeviceTest, RefusesWhatIsNoPlugin) {
  std::ofstream(Path("text.so")) << "text";
  const auto open = [&](const std::string& plugin) {
    return RunProgram({"search", "--device", "cuda:0"}, folder_.path(),
                      "export NASENGINE_CUDA_PLUGIN=" + plugin);
  };
  ExpectRefusal(open(Path("text.so")), 1, {"cannot load the CUDA backend", "text.so"});
  ExpectRefusal(open(Path("missing.so")), 1, {"cannot load the CUDA backend", "missing.so"});
}

}  // namespace
}  // namespace nasengine
