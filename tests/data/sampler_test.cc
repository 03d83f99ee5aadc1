// The order of an epoch and how it is cut into batches.
// SPDX-License-Identifier: MIT
#include "data/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/data/idx_files.h"

namespace nasengine {
namespace {

const std::vector<std::int32_t> kIndices = {3, 5, 8, 13, 21, 34, 55, 89, 144, 233};

TEST(SamplerTest, TrainingShufflesByEpochAndDropsTheLastPart) {
  const Sampler sampler(kIndices, 4, SampleOrder::kShuffled, 1);
  EXPECT_EQ(sampler.batches(), 2);
  EXPECT_EQ(sampler.images(), 8);
  const auto first = sampler.EpochOrder(0), second = sampler.EpochOrder(1);
  EXPECT_NE(first, second);
  EXPECT_EQ(first, Sampler(kIndices, 2, SampleOrder::kShuffled, 1).EpochOrder(0));
  EXPECT_NE(first, Sampler(kIndices, 4, SampleOrder::kShuffled, 2).EpochOrder(0));
  auto sorted = first;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, kIndices);
  const auto cut = sampler.Cut(first, 1);
  EXPECT_EQ(std::vector<std::int32_t>(cut.begin(), cut.end()),
            std::vector<std::int32_t>(first.begin() + 4, first.begin() + 8));
}

TEST(SamplerTest, TrainingMayKeepTheLastPart) {
  const Sampler whole(kIndices, 4, SampleOrder::kShuffledWhole, 1);
  EXPECT_EQ(whole.batches(), 3);
  EXPECT_EQ(whole.images(), 10);
  EXPECT_EQ(whole.size_of(2), 2);
  EXPECT_EQ(whole.EpochOrder(3), Sampler(kIndices, 4, SampleOrder::kShuffled, 1).EpochOrder(3));
}

TEST(SamplerTest, EvaluationKeepsTheOrderAndTheLastPart) {
  const Sampler sampler(kIndices, 4, SampleOrder::kSequential, 1);
  EXPECT_EQ(sampler.batches(), 3);
  EXPECT_EQ(sampler.images(), 10);
  EXPECT_EQ(sampler.EpochOrder(7), kIndices);
  EXPECT_EQ(sampler.size_of(1), 4);
  EXPECT_EQ(sampler.size_of(2), 2);
  EXPECT_EQ(sampler.Cut(kIndices, 2)[1], 233);
}

TEST(SamplerTest, RefusesWhatGivesNoBatch) {
  ExpectError(ErrorCode::kInvalidArgument, {"10 images", "11"},
              [] { Sampler(kIndices, 11, SampleOrder::kShuffled, 1); });
  ExpectError(ErrorCode::kInvalidArgument, {"0 images"},
              [] { Sampler({}, 1, SampleOrder::kSequential, 1); });
  ExpectError(ErrorCode::kInvalidArgument, {"batch size 0"},
              [] { Sampler(kIndices, 0, SampleOrder::kShuffled, 1); });
  const Sampler sampler(kIndices, 4, SampleOrder::kShuffled, 1);
  ExpectError(ErrorCode::kInvalidArgument, {"no batch 2", "has 2"},
              [&] { sampler.Cut(kIndices, 2); });
}

}  // namespace
}  // namespace nasengine
