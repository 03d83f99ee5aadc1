// Whole searches of a tiny space, as a user runs them.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "kernels/core/file_io.h"
#include "nas/latency/latency_table.h"
#include "nas/space/architecture_file.h"
#include "nas/space/space_file.h"
#include "tests/cli/tiny_search.h"
#include "tests/support/fake_latency_table.h"

namespace nasengine {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class SearchTest : public TinySearchTest {
 protected:
  // Searches with `own` flags and those that a call gives, whose held-out images come in batches
  // that are not what a memory budget is about.
  auto WithSmallEvaluations(std::vector<std::string> own) const {
    WriteFileAtomically(Path("config.toml"), "[recipe]\nvalidation_batch = 16\n");
    own.insert(own.end(), {"--json", "--config", Path("config.toml")});
    return [this, own](const std::string& run, const std::vector<std::string>& more) {
      std::vector<std::string> flags = own;
      flags.insert(flags.end(), more.begin(), more.end());
      return Search(run, flags);
    };
  }
};

TEST_F(SearchTest, ARefusedRunLeavesTheOldResults) {
  ASSERT_EQ(Search("run").exit_code, 0);
  const std::string weights = ReadFile(Path("run/weights.safetensors"));
  const ProgramResult refused = Search("run", {"--force", "--objective", "mul-log"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("mul-log"), std::string::npos) << refused.err;
  EXPECT_EQ(ReadFile(Path("run/weights.safetensors")), weights);
  EXPECT_TRUE(fs::exists(Path("run/summary.json")));
}

TEST_F(SearchTest, ASearchWithoutArchitectureStepsIsRefused) {
  const ProgramResult result = Search("run", {"--arch-every", "100000"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("nothing would be searched"), std::string::npos) << result.err;
}

TEST_F(SearchTest, LeavesAWholeRunFolder) {
  const ProgramResult result = Search("run", {"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json summary = Json::parse(result.out);
  EXPECT_EQ(summary, Json::parse(ReadFile(Path("run/summary.json"))));
  EXPECT_EQ(summary["algorithm"], "proxyless-g");
  EXPECT_EQ(summary["space"], "tiny");
  EXPECT_EQ(summary["steps"], 16);
  EXPECT_EQ(summary["architecture"].size(), 2u);
  EXPECT_GT(summary["latency_ms"]["expected"], 0);
  EXPECT_GE(summary["latency_ms"]["predicted"], 0);
  // The table is of no machine.
  EXPECT_TRUE(summary["latency_ms"]["measured"].is_null());
  EXPECT_GT(summary["accuracy"]["test_top1"], 0);
  EXPECT_GT(summary["peak_bytes"]["total"], summary["peak_bytes"]["weights"]);
  EXPECT_GT(summary["seconds"]["total"], 0);
  EXPECT_FALSE(summary["stopped"]);

  std::set<std::string> phases;
  for (const Json& record : Metrics("run")) phases.insert(record["phase"]);
  EXPECT_EQ(phases, (std::set<std::string>{"warmup", "weight", "arch", "train"}));
  EXPECT_EQ(ReadFile(Path("run/latency.json")), ReadFile(task_.table));
  std::set<std::string> files;
  for (const auto& entry : fs::directory_iterator(Path("run"))) {
    files.insert(entry.path().filename());
  }
  EXPECT_EQ(files, (std::set<std::string>{"alphas.json", "architecture.json", "latency.json",
                                          "metrics.jsonl", "recipe.toml", "run.toml",
                                          "summary.json", "weights.safetensors"}));
}

TEST_F(SearchTest, TellsPeopleOnStdoutAndProgressOnStderr) {
  const ProgramResult result = Search("run");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("Network found"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("nasengine train --network " + Path("run") + "/architecture.json"),
            std::string::npos)
      << result.out;
  EXPECT_NE(result.err.find("estimate: "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("search 8/8"), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find('\r'), std::string::npos) << result.err;
}

TEST_F(SearchTest, SameSeedSameBitsOtherSeedOthers) {
  ASSERT_EQ(Search("a").exit_code, 0);
  ASSERT_EQ(Search("b").exit_code, 0);
  ASSERT_EQ(Search("c", {"--seed", "2"}).exit_code, 0);
  EXPECT_EQ(Timeless("a"), Timeless("b"));
  EXPECT_EQ(ReadFile(Path("a/architecture.json")), ReadFile(Path("b/architecture.json")));
  EXPECT_EQ(ReadFile(Path("a/weights.safetensors")), ReadFile(Path("b/weights.safetensors")));
  EXPECT_NE(Timeless("a"), Timeless("c"));
  EXPECT_NE(ReadFile(Path("a/weights.safetensors")), ReadFile(Path("c/weights.safetensors")));
}

TEST_F(SearchTest, ASearchInBf16RepeatsItselfAndSaysSo) {
  const ProgramResult result = Search("a", {"--dtype", "bf16", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json summary = Json::parse(result.out);
  EXPECT_EQ(summary["dtype"], "bf16");
  const ProgramResult again =
      RunProgram({"search", "--config", Path("a/run.toml"), "--out", Path("b")}, "/");
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(Timeless("a"), Timeless("b"));
  EXPECT_EQ(ReadFile(Path("a/weights.safetensors")), ReadFile(Path("b/weights.safetensors")));
  const Json f32 = Json::parse(Search("c", {"--json"}).out);
  EXPECT_LT(summary["peak_bytes"]["activations"], f32["peak_bytes"]["activations"]);
  EXPECT_LT(summary["planned_peak_bytes"], f32["planned_peak_bytes"]);
  // What is saved is the f32 master, which any tool evaluates.
  const ProgramResult evaluated =
      RunProgram({"eval", "--network", Path("a/architecture.json"), "--weights",
                  Path("a/weights.safetensors"), "--data", task_.data, "--json"});
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
  EXPECT_EQ(Json::parse(evaluated.out)["top1"], summary["accuracy"]["test_top1"]);
}

TEST_F(SearchTest, EveryAlgorithmRepeatsItself) {
  for (const std::string algorithm : {"proxyless-g-two", "proxyless-r", "darts", "random"}) {
    const std::string a = algorithm + "-a";
    const std::string b = algorithm + "-b";
    const ProgramResult result = Search(a, {"--algorithm", algorithm, "--json"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(Json::parse(result.out)["algorithm"], algorithm);
    // From its own run.toml, which has the objective and the reference that were chosen for it.
    const ProgramResult again =
        RunProgram({"search", "--config", Path(a + "/run.toml"), "--out", Path(b)}, "/");
    ASSERT_EQ(again.exit_code, 0) << again.err;
    EXPECT_EQ(Timeless(a), Timeless(b)) << algorithm;
    EXPECT_EQ(ReadFile(Path(a + "/architecture.json")), ReadFile(Path(b + "/architecture.json")));
    EXPECT_EQ(ReadFile(Path(a + "/weights.safetensors")),
              ReadFile(Path(b + "/weights.safetensors")));
  }
}

TEST_F(SearchTest, ProxylessRMaximisesThePublishedRewardUnlessToldOtherwise) {
  const ProgramResult result = Search("run", {"--algorithm", "proxyless-r", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json summary = Json::parse(result.out);
  EXPECT_EQ(summary["objective"], "mul-log") << "though the latencies are far below 1 ms";
  EXPECT_EQ(summary["architecture_steps"], 8) << "one after every batch, of 300 an epoch";
  for (const Json& record : Metrics("run")) {
    if (record["phase"] != "arch") continue;
    EXPECT_LT(record["loss"], 0) << "minus the mean reward";
  }
  const ProgramResult none =
      Search("none", {"--algorithm", "proxyless-r", "--objective", "none", "--json"});
  ASSERT_EQ(none.exit_code, 0) << none.err;
  EXPECT_EQ(Json::parse(none.out)["objective"], "none");
}

TEST_F(SearchTest, RandomSearchComparesPathsWithinTheReference) {
  const ProgramResult result = Search("run", {"--algorithm", "random", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("comparing 2 paths on 410 held-out images"), std::string::npos)
      << result.err;
  const Json summary = Json::parse(result.out);
  EXPECT_EQ(summary["objective"], "none");
  EXPECT_EQ(summary["architecture_steps"], 0);
  EXPECT_LE(summary["latency_ms"]["predicted"], summary["latency_ms"]["reference"]);
  double best = 0;
  int scored = 0;
  for (const Json& record : Metrics("run")) {
    EXPECT_NE(record["phase"], "arch");
    if (record["phase"] != "eval") continue;
    ++scored;
    best = std::max(best, record["top1"].get<double>());
  }
  EXPECT_EQ(scored, 2);
  EXPECT_NEAR(summary["supernet_top1"].get<double>(), best, 1e-6);
}

TEST_F(SearchTest, RandomSearchRefusesALimitThatTooFewPathsKeep) {
  ExpectRefusal(Search("run", {"--algorithm", "random", "--reference-latency", "0.000001ms"}), 1,
                {"found 0 distinct paths", "reference of 1e-06", "the smallest reachable is"});
  ExpectRefusal(Search("run", {"--algorithm", "random", "--objective", "add-linear"}), 1,
                {"add-linear", "expected none"});
}

TEST_F(SearchTest, RunTomlRepeatsTheRun) {
  ASSERT_EQ(Search("a", {"--seed", "5", "--reference-latency", "0.01ms"}).exit_code, 0);
  const ProgramResult again =
      RunProgram({"search", "--config", Path("a/run.toml"), "--out", Path("b")}, "/");
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(Timeless("a"), Timeless("b"));
  EXPECT_EQ(ReadFile(Path("a/weights.safetensors")), ReadFile(Path("b/weights.safetensors")));
}

TEST_F(SearchTest, AWidthIsAppliedRecordedAndRepeated) {
  const std::string table = Path("wide.json");
  SaveLatencyTable(table, FakeLatencyTable(LoadSpace(task_.space, 2.0)));
  const ProgramResult wide =
      Search("a", {"--width", "2", "--latency-table", table, "--max-steps", "2", "--json"});
  ASSERT_EQ(wide.exit_code, 0) << wide.err;
  EXPECT_EQ(Json::parse(wide.out)["width"], 2.0);
  EXPECT_EQ(LoadArchitecture(Path("a/architecture.json")).layers.front().out.c,
            2 * std::get<LayerDesc>(LoadSpace(task_.space).nodes.front()).out.c);
  ASSERT_EQ(RunProgram({"search", "--config", Path("a/run.toml"), "--out", Path("b")}).exit_code,
            0);
  EXPECT_EQ(ReadFile(Path("a/weights.safetensors")), ReadFile(Path("b/weights.safetensors")));
}

TEST_F(SearchTest, DryRunWritesNothing) {
  const ProgramResult result = RunProgram(task_.Search({"--dry-run", "--json"}), folder_.path());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json estimate = Json::parse(result.out);
  EXPECT_GT(estimate["seconds"]["search"], 0);
  EXPECT_GT(estimate["all_paths_peak_bytes"], estimate["peak_bytes"]);
  EXPECT_GT(estimate["memory_budget"], estimate["peak_bytes"]);
  EXPECT_FALSE(fs::exists(Path("runs")));
}

TEST_F(SearchTest, ForceReplacesTheOldRunWhole) {
  ASSERT_EQ(Search("run").exit_code, 0);
  const std::string before = ReadFile(Path("run/summary.json"));
  EXPECT_EQ(Search("run").exit_code, 1);
  EXPECT_EQ(ReadFile(Path("run/summary.json")), before);
  // With the table that the old run left.
  ASSERT_EQ(Search("run", {"--force", "--latency-table", Path("run/latency.json")}).exit_code, 0);
  EXPECT_EQ(ReadFile(Path("run/latency.json")), ReadFile(task_.table));
}

TEST_F(SearchTest, InterruptLeavesWholeFiles) {
  RunningProgram program(
      task_.Search({"--warmup-epochs", "3", "--epochs", "100000", "--out", Path("run")}),
      folder_.path());
  // Lines appear at the end of the first epoch.
  for (int i = 0; i < 600 && !fs::exists(Path("run/metrics.jsonl")); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  program.Signal(SIGINT);
  const ProgramResult result = program.Wait();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(
      result.err.find("stopped; " + Path("run") +
                      " holds latency.json, run.toml, recipe.toml, metrics.jsonl, alphas.json, "
                      "architecture.json, "
                      "summary.json"),
      std::string::npos)
      << result.err;
  EXPECT_TRUE(Json::parse(ReadFile(Path("run/summary.json")))["stopped"]);
  EXPECT_FALSE(Metrics("run").empty());
  for (const auto& entry : fs::directory_iterator(Path("run"))) {
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
  }
}

TEST_F(SearchTest, TrainAndEvalAgree) {
  ASSERT_EQ(Search("run").exit_code, 0);
  const std::string network = Path("run/architecture.json");
  const ProgramResult trained =
      RunProgram({"train", "--network", network, "--data", task_.data, "--epochs", "1", "--batch",
                  "64", "--max-steps", "10", "--threads", "1", "--out", Path("trained"), "--json"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const Json train = Json::parse(trained.out);
  EXPECT_EQ(train, Json::parse(ReadFile(Path("trained/summary.json"))));
  EXPECT_EQ(train["steps"], 10);
  const ProgramResult evaluated = RunProgram(
      {"eval", "--network", Path("trained/architecture.json"), "--weights",
       Path("trained/weights.safetensors"), "--data", task_.data, "--threads", "1", "--json"});
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
  const Json eval = Json::parse(evaluated.out);
  for (const char* key : {"top1", "top5", "loss", "images", "parameters", "macs"}) {
    EXPECT_EQ(train[key], eval[key]) << key;
  }
  EXPECT_EQ(eval["images"], 1024);
  EXPECT_EQ(Metrics("trained").back()["phase"], "eval");

  // From these weights on, the first loss is below that from random ones.
  const ProgramResult continued =
      RunProgram({"train", "--network", network, "--weights", Path("trained/weights.safetensors"),
                  "--data", task_.data, "--epochs", "1", "--batch", "64", "--max-steps", "2",
                  "--threads", "1", "--out", Path("continued")});
  ASSERT_EQ(continued.exit_code, 0) << continued.err;
  EXPECT_LT(Metrics("continued").front()["loss"], Metrics("trained").front()["loss"]);
}

TEST_F(SearchTest, ANetworkByNameTakesTheData) {
  const std::string data = "synthetic:32x20x1:3";
  const ProgramResult trained =
      RunProgram({"train", "--network", "mobilenet-v2@0.05", "--data", data, "--batch", "8",
                  "--max-steps", "2", "--threads", "1", "--out", Path("trained")});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const NetworkDesc network = LoadArchitecture(Path("trained/architecture.json"));
  EXPECT_EQ(network.input, (Size3{32, 20, 1}));
  EXPECT_EQ(network.classes, 3);
  const std::string weights = Path("trained/weights.safetensors");
  for (const std::string& same :
       {std::string("mobilenet-v2@0.05"), Path("trained/architecture.json")}) {
    const ProgramResult result = RunProgram(
        {"eval", "--network", same, "--weights", weights, "--data", data, "--threads", "1"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
  ExpectRefusal(RunProgram({"eval", "--network", Path("trained/architecture.json"), "--weights",
                            weights, "--data", "synthetic:32x32x1:3"}),
                1, {"32x20x1", "32x32x1"});
  ExpectRefusal(RunProgram({"train", "--network", "mobilenet-v2", "--data", "synthetic:8x8x1:3"}),
                1, {"network mobilenet-v2 with images of 8x8x1", "larger images"});
}

TEST_F(SearchTest, TrainRefusesWhatDoesNotFitInMemory) {
  ASSERT_EQ(Search("run").exit_code, 0);
  ExpectRefusal(RunProgram({"train", "--network", Path("run/architecture.json"), "--data",
                            task_.data, "--memory-budget", "100KiB", "--out", Path("t")}),
                1, {"100.0 KiB", "--batch"});
  EXPECT_FALSE(fs::exists(Path("t")));
}

// What does not fit is computed again before anything has to become smaller, to the same bits.
TEST_F(SearchTest, ABudgetIsMetByComputingAgain) {
  const auto with = WithSmallEvaluations({});
  const ProgramResult plan = with("plan", {"--dry-run"});
  ASSERT_EQ(plan.exit_code, 0) << plan.err;
  const auto peak = Json::parse(plan.out)["peak_bytes"].get<std::int64_t>();
  const ProgramResult kept = with("kept", {});
  const ProgramResult fits = with("fits", {"--memory-budget", std::to_string(peak * 99 / 100)});
  ASSERT_EQ(fits.exit_code, 0) << fits.err;
  EXPECT_EQ(kept.err.find("computed again"), std::string::npos) << kept.err;
  EXPECT_NE(fits.err.find("computed again"), std::string::npos) << fits.err;
  const Json again = Json::parse(fits.out), first = Json::parse(kept.out);
  EXPECT_EQ(again["accuracy"], first["accuracy"]);
  EXPECT_EQ(again["architecture"], first["architecture"]);
  EXPECT_LT(again["planned_peak_bytes"], first["planned_peak_bytes"]);
}

// What does not fit even so runs in parts, which the recipe of the run keeps: with it any budget
// gives the same run.
TEST_F(SearchTest, ABudgetIsMetByMicroBatchesLast) {
  const auto with = WithSmallEvaluations({"--batch", "64"});
  const ProgramResult plan = with("plan", {"--dry-run"});
  ASSERT_EQ(plan.exit_code, 0) << plan.err;
  const auto peak = Json::parse(plan.out)["peak_bytes"].get<std::int64_t>();
  const std::int64_t budget = peak / 3;
  const ProgramResult parts = with("parts", {"--memory-budget", std::to_string(budget)});
  ASSERT_EQ(parts.exit_code, 0) << parts.err;
  EXPECT_NE(parts.err.find("batches of 64 run as "), std::string::npos) << parts.err;
  EXPECT_LE(Json::parse(parts.out)["peak_bytes"]["total"].get<std::int64_t>(), budget);

  const std::string recipe = ReadFile(Path("parts/run.toml"));
  ASSERT_NE(recipe.find("micro_batch = "), std::string::npos) << recipe;
  EXPECT_EQ(recipe.find("micro_batch = 0"), std::string::npos) << recipe;
  const ProgramResult again =
      RunProgram({"search", "--config", Path("parts/run.toml"), "--memory-budget",
                  std::to_string(2 * peak), "--max-steps", "8", "--out", Path("again")});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(again.err.find("run as"), std::string::npos) << again.err;
  EXPECT_EQ(Timeless("again"), Timeless("parts"));
}

TEST_F(SearchTest, BaselinesAreTrainedToo) {
  const ProgramResult result = Search("run", {"--baselines", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json rows = Json::parse(result.out)["baselines"];
  ASSERT_GE(rows.size(), 1u);
  EXPECT_EQ(rows[0]["kind"], "found");
  for (const Json& row : rows) EXPECT_GT(row["accuracy"]["test_top1"], 0) << row;
}

}  // namespace
}  // namespace nasengine
