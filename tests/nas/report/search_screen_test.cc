// SPDX-License-Identifier: MIT
#include "nas/report/search_screen.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "tests/nas/report/sample_summary.h"

namespace nasengine {
namespace {

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(SearchScreenTest, TellsWhatAUserWantsToKnow) {
  const std::string screen = SearchScreen(SampleSummary(), "runs/a");
  EXPECT_TRUE(Has(screen, "test 91.75 %")) << screen;
  EXPECT_TRUE(Has(screen, "expected 0.5000 ms, predicted 0.4000 ms, measured 0.3000 ms")) << screen;
  EXPECT_TRUE(Has(screen, "1.900 -> 0.380 nats a block (20 % of the start)")) << screen;
  EXPECT_TRUE(Has(screen,
                  "peak 100.0 MiB; planned 120.0 MiB with one path, 600.0 MiB with all paths, "
                  "5.0 times"))
      << screen;
  EXPECT_TRUE(Has(screen, "(profile + warm-up + search) / training = 60.0 s / 40.0 s = 1.50"))
      << screen;
  EXPECT_TRUE(Has(screen, "nasengine train --network runs/a/architecture.json --epochs 30"))
      << screen;
  EXPECT_TRUE(Has(screen,
                  "nasengine eval --network runs/a/architecture.json --weights "
                  "runs/a/weights.safetensors"))
      << screen;
  EXPECT_FALSE(Has(screen, "Baselines")) << screen;
}

TEST(SearchScreenTest, SaysWhenTheMachineIsNotWhatItWas) {
  SearchSummary summary = SampleSummary();
  std::string screen = SearchScreen(summary, "runs/a");
  EXPECT_TRUE(Has(screen, "its layers, timed beside it, take 0.3500 ms\n")) << screen;
  summary.latency_ms.sum_of_layers = 0.92;
  screen = SearchScreen(summary, "runs/a");
  EXPECT_TRUE(Has(screen, "take 0.9200 ms: this machine is 2.3 times as slow")) << screen;
  summary.latency_ms.sum_of_layers = 0.2;
  screen = SearchScreen(summary, "runs/a");
  EXPECT_TRUE(Has(screen, "take 0.2000 ms: this machine is 2.0 times as fast")) << screen;
  EXPECT_FALSE(Has(screen, "other programs")) << screen;
  summary.latency_ms.table = "old.json";
  screen = SearchScreen(summary, "runs/a");
  EXPECT_TRUE(Has(screen, "take 0.2000 ms: 2.0 times as fast as in the table")) << screen;
  summary.latency_ms.predicted = 0;
  screen = SearchScreen(summary, "runs/a");
  EXPECT_TRUE(Has(screen, "its layers, timed beside it, take 0.2000 ms\n")) << screen;
  summary.latency_ms.measured = 0;
  screen = SearchScreen(summary, "runs/a");
  EXPECT_FALSE(Has(screen, "beside it")) << screen;
}

TEST(SearchScreenTest, FitsAHundredColumns) {
  SearchSummary summary = SampleSummary();
  summary.latency_ms.sum_of_layers = 0.92;
  summary.baselines.push_back(SampleBaseline());
  std::istringstream lines(SearchScreen(summary, "runs/20250101-fashion-1"));
  for (std::string line; std::getline(lines, line);) {
    // Commands are to be pasted whole.
    if (Has(line, "nasengine ")) continue;
    EXPECT_LE(line.size(), 100u) << line;
  }
}

TEST(SearchScreenTest, BreaksLongWarningsBetweenWords) {
  SearchSummary summary = SampleSummary();
  EXPECT_FALSE(Has(SearchScreen(summary, "runs/a"), "warning"));
  std::string finding = "seen";
  for (int i = 0; i < 40; ++i) finding += " word" + std::to_string(i);
  summary.warnings.push_back({.name = "frozen-early", .finding = finding, .advice = "do"});
  const std::string screen = SearchScreen(summary, "runs/a");
  EXPECT_TRUE(Has(screen, "\n  warning      frozen-early: seen word0 word1 ")) << screen;
  EXPECT_TRUE(Has(screen, " word39; do\n")) << screen;
  std::istringstream lines(screen);
  for (std::string line; std::getline(lines, line);) {
    if (Has(line, " word")) {
      EXPECT_LE(line.size(), 100u) << line;
    }
  }
}

TEST(SearchScreenTest, SaysHowMuchBaselinesCanTell) {
  SearchSummary summary = SampleSummary();
  summary.baselines.push_back(SampleBaseline());
  const std::string screen = SearchScreen(summary, "runs/a");
  EXPECT_TRUE(Has(screen, "uniform 5x5_MBConv3")) << screen;
  EXPECT_TRUE(Has(screen, "One seed for each network. Differences below the spread")) << screen;
}

TEST(SearchScreenTest, SaysWhatWasNotDone) {
  SearchSummary summary = SampleSummary();
  summary.latency_ms.measured = 0;
  summary.stopped = true;
  summary.data = "synthetic:8x8x1:2";
  const std::string screen = SearchScreen(summary, "runs/a");
  EXPECT_TRUE(Has(screen, "not measured")) << screen;
  EXPECT_TRUE(Has(screen, "Stopped before the end")) << screen;
  EXPECT_TRUE(Has(screen, "--data synthetic:8x8x1:2")) << screen;
}

TEST(NetworkPictureTest, SharesAddUpAndSkippedBlocksShow) {
  const std::string picture = NetworkPicture(SampleSummary().network);
  EXPECT_TRUE(Has(picture, "skipped")) << picture;
  double total = 0;
  std::istringstream lines(picture);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t percent = line.find(" %");
    if (percent == std::string::npos) continue;
    total += std::stod(line.substr(line.rfind(' ', percent - 1), percent));
  }
  // Each share is rounded to a tenth.
  EXPECT_NEAR(total, 100.0, 1.0) << picture;
}

}  // namespace
}  // namespace nasengine
