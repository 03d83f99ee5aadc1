// Whole tiny searches in this process: the ones that go wrong say how, and a sound one is silent.
// SPDX-License-Identifier: MIT
#include "nas/cli/search_watch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "kernels/core/file_io.h"
#include "nas/space/space_file.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_space.h"

namespace nasengine {
namespace {

constexpr char kRecipe[] = R"([recipe]
batch = 64
warmup_epochs = 2
search_epochs = 3
train_epochs = 0
warmup_lr = 0.1
search_lr = 0.05
alpha_lr = 0.05
arch_every = 2
arch_start_epoch = 0
latency_weight = 0.0
validation_fraction = 0.1
calibration_batches = 1
)";

class SearchWatchTest : public ::testing::Test {
 protected:
  SearchWatchTest() {
    WriteFileAtomically(Path("space.toml"),
                        TinySpaceToml({.input = {12, 12, 1}, .blocks = 3}) + kRecipe);
    const SearchSpace space = LoadSpace(Path("space.toml"));
    WriteFileAtomically(Path("table.json"), LatencyTableToJson(FakeLatencyTable(space)));
  }

  // The space's search with single values of its recipe changed.
  SearchSummary Search(const std::string& recipe, const SearchHooks& hooks = {},
                       const std::string& algorithm = "proxyless-g") const {
    RunConfig config;
    config.algorithm = algorithm;
    config.data = "synthetic:12x12x1:3";
    config.space = Path("space.toml");
    config.latency_table = Path("table.json");
    config.threads = 1;
    ApplyConfigToml("[recipe]\n" + recipe, "test.toml", config);
    return RunSearch(config, hooks);
  }
  static std::set<std::string> Names(const SearchSummary& summary) {
    std::set<std::string> names;
    for (const WarningSummary& warning : summary.warnings) names.insert(warning.name);
    EXPECT_EQ(names.size(), summary.warnings.size()) << "a warning came twice";
    return names;
  }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  TempDir folder_;
};

TEST_F(SearchWatchTest, ASoundSearchIsSilent) {
  EXPECT_EQ(Names(Search("")), std::set<std::string>{});
}

TEST_F(SearchWatchTest, UntrainedCandidatesAndTooSmallARateAreNamed) {
  std::vector<std::string> announced;
  SearchHooks hooks;
  hooks.announce = [&](const std::string& message) { announced.push_back(message); };
  const SearchSummary summary =
      Search("warmup_epochs = 0\nsearch_epochs = 1\nalpha_lr = 1e-6\n", hooks);
  EXPECT_EQ(Names(summary), (std::set<std::string>{"entropy-flat", "starved-candidate"}));
  const WarningSummary& first = summary.warnings.front();
  const std::string line = "warning: " + first.name + ": " + first.finding + "; " + first.advice;
  EXPECT_NE(std::find(announced.begin(), announced.end(), line), announced.end());
}

TEST_F(SearchWatchTest, CandidatesAreTrainedByTheStepsThatTheirPathsTake) {
  // 28 steps of warm-up and 2 of the search before the first of the architecture; the blocks have
  // two and three candidates.
  const std::string recipe = "batch = 128\nwarmup_epochs = 1\nsearch_epochs = 1\n";
  std::size_t paths = 0;
  SearchHooks hooks;
  hooks.control.path_trained = [&](std::span<const int> path) { paths += path.size() == 3; };
  const SearchSummary summary = Search(recipe, hooks);
  EXPECT_TRUE(Names(summary).contains("starved-candidate"));
  EXPECT_EQ(paths, 2 * 28u);
  EXPECT_FALSE(Names(Search(recipe, {}, "darts")).contains("starved-candidate"));
}

TEST_F(SearchWatchTest, AdviceNamesTheKeysOfTheAlgorithm) {
  const std::string few_steps = "warmup_epochs = 0\nsearch_epochs = 1\n";
  const auto advice = [](const SearchSummary& summary) {
    for (const WarningSummary& warning : summary.warnings) {
      if (warning.name == "entropy-flat") return warning.advice;
    }
    return std::string("no such warning");
  };
  EXPECT_EQ(advice(Search(few_steps + "alpha_lr = 1e-6\n")),
            "an alpha moves by about alpha_lr a step: raise alpha_lr, use more --epochs or a "
            "smaller --arch-every");
  EXPECT_EQ(advice(Search(few_steps + "rl_alpha_lr = 1e-6\nrl_updates_per_epoch = 2\n", {},
                          "proxyless-r")),
            "an alpha moves by about rl_alpha_lr a step: raise rl_alpha_lr, use more --epochs or a "
            "larger rl_updates_per_epoch");
}

TEST_F(SearchWatchTest, WeightsThatDoNotLearnAreNamed) {
  EXPECT_TRUE(Names(Search("warmup_lr = 0.0\nsearch_lr = 0.0\n")).contains("loss-not-falling"));
}

TEST_F(SearchWatchTest, TooLargeARateIsNamed) {
  EXPECT_TRUE(Names(Search("alpha_lr = 5.0\n")).contains("frozen-early"));
}

TEST_F(SearchWatchTest, LatencyAloneEmptiesTheStage) {
  EXPECT_TRUE(Names(Search("latency_weight = 1000.0\n")).contains("stage-all-zero"));
}

TEST_F(SearchWatchTest, TriesTheLikeliestPathAfterEveryKthEpoch) {
  std::vector<StepRecord> records;
  std::vector<StepRecord> validated;
  SearchHooks hooks;
  hooks.control.observe = [&](const StepRecord& record) { records.push_back(record); };
  hooks.validated = [&](const StepRecord& record, const NetworkDesc& network) {
    EXPECT_EQ(network.architecture.size(), 3u);
    validated.push_back(record);
  };
  // 3,686 images make 7 whole batches of 512 and one of 102; 410 are held out.
  const SearchSummary summary =
      Search("batch = 512\ndrop_last = false\nvalidate_every = 2\nvalidation_batch = 300\n", hooks);
  ASSERT_EQ(validated.size(), 2u);
  EXPECT_EQ(validated[0].epoch, 1);
  EXPECT_EQ(validated[0].step, 16) << "of the warm-up";
  EXPECT_EQ(validated[1].epoch, 3);
  EXPECT_EQ(validated[1].step, 16) << "of the search";
  for (const StepRecord& record : validated) {
    EXPECT_EQ(record.phase, Phase::kEval);
    EXPECT_EQ(record.images, 410);
    EXPECT_GT(record.top1, 100.0 / 3);
    EXPECT_GT(record.expected_latency_ms, 0);
  }
  EXPECT_EQ(summary.steps, 5 * 8);
  ASSERT_GE(records.size(), 8u);
  EXPECT_EQ(records[6].images, 512);
  EXPECT_EQ(records[7].images, 102);
}

TEST_F(SearchWatchTest, ThePeakIsThatOfAnyStepOrValidation) {
  const auto search = [&](const std::string& recipe) {
    std::int64_t steps = 0;
    std::int64_t validations = 0;
    SearchHooks hooks;
    hooks.control.observe = [&](const StepRecord& record) {
      if (record.phase != Phase::kTrain) steps = std::max(steps, record.peak_bytes);
    };
    hooks.validated = [&](const StepRecord& record, const NetworkDesc&) {
      validations = std::max(validations, record.peak_bytes);
    };
    const PeakBytes peak =
        Search("warmup_epochs = 1\nsearch_epochs = 1\nvalidate_every = 1\n" + recipe, hooks)
            .peak_bytes;
    EXPECT_EQ(peak.total, std::max(steps, validations));
    EXPECT_EQ(peak.weights + peak.gradients + peak.optimizer + peak.activations + peak.workspace +
                  peak.data,
              peak.total);
    return validations > steps;
  };
  EXPECT_TRUE(search("batch = 16\nvalidation_batch = 410\n")) << "forward only, but much larger";
  EXPECT_FALSE(search("batch = 128\nvalidation_batch = 50\n"));
}

TEST_F(SearchWatchTest, TheHooksOwnControlIsCalledAsWell) {
  for (const char* every : {"validate_every = 0\n", "validate_every = 2\n"}) {
    std::int64_t steps = 0;
    std::int64_t paths = 0;
    std::vector<std::int64_t> epochs;
    SearchHooks hooks;
    hooks.control.observe = [&](const StepRecord&) { ++steps; };
    hooks.control.path_trained = [&](std::span<const int>) { ++paths; };
    hooks.control.epoch_ended = [&](const StepRecord& record) { epochs.push_back(record.epoch); };
    const SearchSummary summary =
        Search(StrCat("batch = 256\nwarmup_epochs = 1\nsearch_epochs = 2\n", every), hooks);
    EXPECT_EQ(steps, summary.steps + summary.architecture_steps);
    EXPECT_EQ(paths, summary.steps);
    EXPECT_EQ(epochs, (std::vector<std::int64_t>{0, 1, 2})) << every;
  }
}

TEST_F(SearchWatchTest, WatchingChangesNothing) {
  const auto search = [&](const std::string& recipe) {
    std::vector<double> losses;
    SearchHooks hooks;
    hooks.control.observe = [&](const StepRecord& record) { losses.push_back(record.loss); };
    Search("search_epochs = 1\nwarmup_epochs = 1\n" + recipe, hooks);
    return losses;
  };
  EXPECT_EQ(search(""), search("validate_every = 1\n"));
}

}  // namespace
}  // namespace nasengine
