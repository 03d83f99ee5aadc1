// Robust summaries of samples, and a clock that runs.
// SPDX-License-Identifier: MIT
#include "kernels/core/timer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace nasengine {
namespace {

TEST(SummarizeTest, OddAndEvenCounts) {
  const std::vector<double> odd = {5, 1, 100, 3, 4};
  RobustSummary summary = Summarize(odd);
  EXPECT_EQ(summary.median, 4);
  EXPECT_EQ(summary.mad, 1);  // |x - 4| = 1 3 96 1 0
  EXPECT_EQ(summary.min, 1);
  EXPECT_EQ(summary.count, 5);

  const std::vector<double> even = {8, 2, 4, 3};
  summary = Summarize(even);
  EXPECT_EQ(summary.median, 3.5);
  EXPECT_EQ(summary.mad, 1);  // |x - 3.5| = 4.5 1.5 0.5 0.5
  EXPECT_EQ(summary.count, 4);
}

TEST(SummarizeTest, OneAndNone) {
  const std::vector<double> one = {2.5};
  EXPECT_EQ(Summarize(one).median, 2.5);
  EXPECT_EQ(Summarize(one).mad, 0);
  EXPECT_EQ(Summarize({}).count, 0);
}

TEST(SummarizeTest, OneOutlierHardlyMatters) {
  std::vector<double> samples(99, 1.0);
  samples.push_back(1e9);
  EXPECT_EQ(Summarize(samples).median, 1);
  EXPECT_EQ(Summarize(samples).mad, 0);
}

TEST(TimerTest, MeasuresAtLeastTheSleep) {
  Timer timer;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const double ms = timer.ms();
  EXPECT_GE(ms, 5);
  EXPECT_GE(timer.seconds() * 1e3, ms);
  timer.Restart();
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_GE(timer.ms(), 1);
}

}  // namespace
}  // namespace nasengine
