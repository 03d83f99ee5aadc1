// SPDX-License-Identifier: MIT
#include "nas/cli/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace nasengine {
namespace {

// A screen and a clock that the test moves.
struct FakeScreen {
  double seconds = 1000;
  std::vector<std::string> writes;

  ProgressOptions Options(bool terminal, int columns = 100) {
    return {.terminal = terminal,
            .columns = columns,
            .now_seconds = [this] { return seconds; },
            .write = [this](const std::string& text) { writes.push_back(text); }};
  }
  std::string last() const { return writes.empty() ? "" : writes.back(); }
};

StepRecord Record(std::int64_t step, Phase phase = Phase::kWeight) {
  return {.step = step,
          .steps = 1000,
          .epoch = 0,
          .phase = phase,
          .loss = phase == Phase::kArch ? 9.0 : 0.5,
          .top1 = 50,
          .lr = 0.05,
          .expected_latency_ms = 1.5,
          .entropy = 1.9,
          .ms = 100,
          .images = 128,
          .peak_bytes = 100 << 20};
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(ProgressTest, ShowsRateAndTimeLeft) {
  FakeScreen screen;
  Progress progress(screen.Options(true));
  for (int step = 1; step <= 100; ++step) {
    progress.Observe(Record(step));
    screen.seconds += 0.1;
  }
  // 100 steps of 128 images in 10 s, 900 steps to go.
  EXPECT_TRUE(Has(screen.last(), "search 100/1000")) << screen.last();
  EXPECT_TRUE(Has(screen.last(), "1m 30s left")) << screen.last();
  EXPECT_TRUE(Has(screen.last(), "1280 img/s")) << screen.last();
  EXPECT_TRUE(Has(screen.last(), "loss 0.500")) << screen.last();
  EXPECT_TRUE(Has(screen.last(), "expected 1.500 ms")) << screen.last();
  EXPECT_TRUE(Has(screen.last(), "entropy 1.900")) << screen.last();
  EXPECT_TRUE(Has(screen.last(), "100.0 MiB")) << screen.last();
}

TEST(ProgressTest, RenewsOneLineOnATerminalAtMostTenTimesASecond) {
  FakeScreen screen;
  Progress progress(screen.Options(true));
  for (int step = 1; step <= 500; ++step) {
    progress.Observe(Record(step));
    screen.seconds += 0.002;
  }
  EXPECT_LE(screen.writes.size(), 11u);
  EXPECT_GE(screen.writes.size(), 8u);
  for (const std::string& text : screen.writes) {
    EXPECT_EQ(text.front(), '\r');
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 0);
  }
  progress.Announce("next");
  EXPECT_EQ(screen.writes[screen.writes.size() - 2], "\n");
  EXPECT_EQ(screen.last(), "next\n");
}

TEST(ProgressTest, WritesALineEveryTenSecondsAndEpochOtherwise) {
  FakeScreen screen;
  Progress progress(screen.Options(false));
  for (int step = 1; step <= 250; ++step) {
    progress.Observe(Record(step));
    screen.seconds += 0.1;
  }
  EXPECT_EQ(screen.writes.size(), 2u);
  StepRecord next_epoch = Record(251);
  next_epoch.epoch = 1;
  progress.Observe(next_epoch);
  EXPECT_EQ(screen.writes.size(), 3u);
  for (const std::string& text : screen.writes) {
    EXPECT_EQ(text.back(), '\n');
    EXPECT_FALSE(Has(text, "\r"));
    EXPECT_FALSE(Has(text, "\x1b"));
  }
}

TEST(ProgressTest, ShowsTheLastStepOfAPhase) {
  FakeScreen screen;
  Progress progress(screen.Options(false));
  StepRecord record = Record(1);
  record.steps = 2;
  progress.Observe(record);
  EXPECT_TRUE(screen.writes.empty());
  record.step = 2;
  progress.Observe(record);
  EXPECT_TRUE(Has(screen.last(), "search 2/2  0.00 s left")) << screen.last();
}

TEST(ProgressTest, KeepsTheLossOfWeightSteps) {
  FakeScreen screen;
  Progress progress(screen.Options(true));
  progress.Observe(Record(1));
  screen.seconds += 1;
  progress.Observe(Record(1, Phase::kArch));
  EXPECT_TRUE(Has(screen.last(), "loss 0.500")) << screen.last();
}

TEST(ProgressTest, FitsTheTerminal) {
  for (const int columns : {20, 40, 80, 300}) {
    FakeScreen screen;
    Progress progress(screen.Options(true, columns));
    StepRecord record = Record(123456);
    record.steps = 10000000;
    record.loss = 123456.789;
    progress.Observe(Record(1));
    screen.seconds += 3600;
    progress.Observe(record);
    ASSERT_FALSE(screen.writes.empty());
    // Without the four characters that clear the line.
    EXPECT_LT(screen.last().size() - 4, static_cast<std::size_t>(std::min(columns, 100)) + 4)
        << screen.last();
  }
}

TEST(ProgressTest, CountsAnewForTheNextNetwork) {
  FakeScreen screen;
  Progress progress(screen.Options(true));
  progress.Observe(Record(900, Phase::kTrain));
  screen.seconds += 50;
  progress.Observe(Record(1, Phase::kTrain));
  screen.seconds += 0.9;
  progress.Observe(Record(10, Phase::kTrain));
  // 10 steps in a second, 990 to go.
  EXPECT_TRUE(Has(screen.last(), "train 10/1000  1m 39s left")) << screen.last();
}

}  // namespace
}  // namespace nasengine
